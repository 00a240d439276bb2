"""Photos of a command: those that can be read, and a message for each that cannot."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seewhy.photos.fitting import Fit
    from seewhy.photos.photo import Photo


def sources_of(photos: Sequence[str]) -> list[Any]:
    """List the files that are meant; empty, with the reason on stderr, if none of them exists.

    So a misspelled name is reported before a network is loaded.
    """
    from seewhy.explaining.order import refuse_networks
    from seewhy.photos.photo import PhotoFailure
    from seewhy.photos.reading import find_sources

    refuse_networks(list(photos))
    sources = find_sources(photos)
    if any(os.path.lexists(source) for source in sources if not isinstance(source, PhotoFailure)):
        return sources
    for _ in readable(sources, []):
        pass
    return []


def readable(sources: Any, failed: list[str], *, fit: Fit | None = None) -> Iterator[Photo]:
    """Yield the photos that can be read and fitted, read ahead in threads.

    Args:
        sources: files, folders and patterns.
        failed: receives the name of each photo that cannot be read; the reason is on stderr.
        fit: how the photos will meet the network.

    Raises:
        PhotoError: no source was given.
    """
    from seewhy.photos.photo import PhotoFailure
    from seewhy.photos.reading import find_sources, read_ahead, read_source

    for photo in read_ahead(find_sources(sources), functools.partial(read_source, fit=fit)):
        if isinstance(photo, PhotoFailure):
            failed.append(photo.name)
            sys.stderr.write(f"seewhy: {photo.reason}\n")
        else:
            yield photo
