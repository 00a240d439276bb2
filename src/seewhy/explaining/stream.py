"""Explain many photos, batch after batch: decoding runs ahead in threads, and memory is bounded.

A photo that fails yields an item with the reason, and the others continue.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from numpy import ndarray

from seewhy.errors import NotFinite, OptionError, PhotoError
from seewhy.explaining.contrast import as_contrast
from seewhy.explaining.explain import as_classifier, compare, method_options
from seewhy.explaining.question import (
    as_targets,
    check_options,
    default_method,
    find_method,
    is_class_free,
    take_execution,
)
from seewhy.explaining.result import Explanation
from seewhy.explaining.running import PHOTOS_AT_ONCE
from seewhy.explaining.zooming import check_zoom
from seewhy.incremental.kernels import Precision
from seewhy.networks.base import Output
from seewhy.photos.fitting import Fit, fit_ahead, fit_only
from seewhy.photos.reading import (
    Photo,
    PhotoFailure,
    find_sources,
    name_of,
    read_ahead,
    read_photo,
    weight,
)
from seewhy.progress import Progress, no_progress

LARGEST_BATCH = 2**27
"""Bytes of pixels after which a batch is full."""

Comparison = dict[str, Explanation]
"""The explanations of one batch by method name, as `compare` returns them."""


def stream(
    classifier: Any,
    photos: Any,
    *,
    method: str | None = None,
    top: int | None = None,
    classes: Sequence[Any] | None = None,
    target: Any = None,
    contrast: Any = None,
    layer: Any = None,
    output: Output = "score",
    zoom: int = 1,
    batch_size: int | None = None,
    precision: Precision = "float32",
    progress: Progress = no_progress,
    **options: Any,
) -> Iterator[Explanation | PhotoFailure]:
    """Explain many photos, batch after batch, in bounded memory.

        for item in seewhy.stream(classifier, "photos", method="grad-cam"):
            if isinstance(item, seewhy.PhotoFailure):
                print(item.name, item.reason)
            else:
                item.save("why/photo.jpg")

    Photos are read and fitted ahead in threads while the network runs. Invalid options raise at
    once, before the first item.

    Args:
        classifier, photos, method, top, classes, target, contrast, layer, output, zoom,
            batch_size, precision, options: as for `seewhy.explain`. A batch may be smaller
            than `batch_size`: large photos take more memory, and photos that fail are left out.
        progress: called with (done, total) photos.

    Yields:
        In the order of the photos: the `Explanation` of a batch, or a `PhotoFailure` for a photo
        that cannot be read, cannot be fitted, or for which the network returns NaN or infinity.

    Raises:
        As `seewhy.explain`, except errors of single photos.
    """
    row = find_method("grad-cam" if method is None else method)
    check_options(row, options)
    classifier = as_classifier(classifier)
    if method is None and target is None:
        row = find_method(default_method(classifier, layer))
    items = stream_comparison(
        classifier,
        photos,
        methods=[row.name],
        top=top,
        classes=classes,
        target=target,
        contrast=contrast,
        layer=layer,
        output=output,
        options={row.name: options},
        zoom=zoom,
        batch_size=batch_size,
        precision=precision,
        progress=progress,
    )
    return (item if isinstance(item, PhotoFailure) else item[row.name] for item in items)


def stream_comparison(
    classifier: Any,
    photos: Any,
    *,
    methods: Sequence[str],
    top: int | None = None,
    classes: Sequence[Any] | None = None,
    target: Any = None,
    contrast: Any = None,
    layer: Any = None,
    output: Output = "score",
    options: Mapping[str, Mapping[str, Any]] | None = None,
    zoom: int = 1,
    batch_size: int | None = None,
    keep_pixels: bool = True,
    precision: Precision = "float32",
    progress: Progress = no_progress,
) -> Iterator[Comparison | PhotoFailure]:
    """Explain many photos by several methods; as `stream`, with the arguments of `compare`.

    Args:
        keep_pixels: False: of the photos' pixels only a preview is kept, enough for maps and for
            pages (`shrunk`), so that large photos take little memory.
    """
    classifier = as_classifier(classifier)
    sources = find_sources(photos)
    table = [find_method(name) for name in methods]
    settings, execution = take_execution(method_options(table, options or {}), precision)
    if batch_size is not None and batch_size < 1:
        raise OptionError(f"batch_size={batch_size} is not a valid size. Give 1 or more.")
    class_free = all(is_class_free(one, settings[one.name]) for one in table)
    targets = as_targets(
        classifier, len(sources), top=top, classes=classes, target=target, class_free=class_free
    )
    zoom = check_zoom(zoom)
    as_contrast(classifier, contrast, targets, class_free=class_free)  # refused before a photo
    indices = targets if isinstance(targets, ndarray) else None

    def explain_group(
        positions: list[int], group: list[Photo], inputs: Progress
    ) -> Iterator[Comparison | PhotoFailure]:
        try:
            yield compare(
                classifier,
                group,
                methods=[one.name for one in table],
                top=top,
                classes=None if indices is None else indices[positions].tolist(),
                target=target,
                contrast=contrast,
                layer=layer,
                output=output,
                options=settings,
                zoom=zoom,
                batch_size=batch_size,
                precision=execution.precision,
                progress=inputs,
            )
        except NotFinite as error:
            if len(group) == 1:
                yield PhotoFailure(group[0].name, str(error))
                return
            for position, photo in zip(positions, group, strict=True):
                yield from explain_group([position], [photo], no_progress)

    def run() -> Iterator[Comparison | PhotoFailure]:
        done = 0
        at_once = batch_size or PHOTOS_AT_ONCE
        whole = keep_pixels or zoom > 1
        read = functools.partial(_read, fit=classifier.fit, keep_pixels=whole)
        for failures, positions, group in _groups(sources, read, at_once):
            yield from failures
            done += len(failures)

            def inputs(part: int, whole: int, done: int = done, count: int = len(group)) -> None:
                progress(done + count * part // max(whole, 1), len(sources))

            if group:
                yield from explain_group(positions, group, inputs)
            done += len(group)
            progress(done, len(sources))

    return run()


def _groups(
    sources: Sequence[Any], read: Callable[[Any], Photo | PhotoFailure], at_once: int
) -> Iterator[tuple[list[PhotoFailure], list[int], list[Photo]]]:
    """Read ahead, and yield batches: the failures, the places of the photos, and the photos."""
    failures: list[PhotoFailure] = []
    positions: list[int] = []
    group: list[Photo] = []
    for position, item in enumerate(read_ahead(sources, read, ahead=2 * at_once)):
        if isinstance(item, PhotoFailure):
            failures.append(item)
        else:
            positions.append(position)
            group.append(item)
        if len(group) == at_once or sum(map(weight, group)) >= LARGEST_BATCH:
            yield failures, positions, group
            failures, positions, group = [], [], []
    if failures or group:
        yield failures, positions, group


def _read(source: Any, *, fit: Fit, keep_pixels: bool) -> Photo | PhotoFailure:
    """Read a photo, and fit it to the network; what was read before is returned as it is."""
    if isinstance(source, PhotoFailure):
        return source
    if isinstance(source, Photo) and source.fitted is not None and source.fitted[0] == fit:
        return source
    try:
        photo = read_photo(source)
        return fit_ahead(photo, fit) if keep_pixels else fit_only(photo, fit, preview=True)
    except PhotoError as error:
        return PhotoFailure(name_of(source), str(error))
