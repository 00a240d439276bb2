"""The network and the photos, each in its place: what is told where they are swapped."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from seewhy.classifier import Classifier
from seewhy.errors import ModelError, PhotoError
from seewhy.files import is_folder
from seewhy.photos.reading import PHOTO_ENDINGS


def refuse_photos(given: Any) -> None:
    """Refuse photos where a network belongs.

    Raises:
        ModelError: that is so.
    """
    what = "This is photos"
    if isinstance(given, str | os.PathLike):
        is_photo = is_folder(given)
        what = f"'{given}' is a {'folder' if is_photo else 'photo'}"
        is_photo = is_photo or Path(given).suffix.lower() in PHOTO_ENDINGS
    else:
        is_photo = isinstance(given, list | tuple | set) or (
            hasattr(given, "__array__") and not callable(given)
        )
    if is_photo:
        raise ModelError(
            f"{what}, and a network belongs in its place. Swap the two, or name a network: "
            "seewhy models"
        )


def refuse_networks(given: Any) -> None:
    """Refuse a network where photos belong.

    Raises:
        PhotoError: that is so.
    """
    from seewhy.zoo.load import models

    for source in given if isinstance(given, list | tuple) else [given]:
        is_name = isinstance(source, str) and source in models() and not os.path.lexists(source)
        if is_name or isinstance(source, Classifier):
            name = source if is_name else source.name
            raise PhotoError(
                f"'{name}' is a network, and photos belong in its place. Swap the two; on the "
                f"command line: --model {name}"
            )
