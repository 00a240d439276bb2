"""How a network's photos are prepared, and what its classes are called: given, or published."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from seewhy.classifier.labels import Labels, LabelSource, labels_from
from seewhy.classifier.preprocessing import Preprocessing
from seewhy.errors import ModelError, OptionError
from seewhy.networks import published
from seewhy.networks.base import Network
from seewhy.photos.fitting import Fit
from seewhy.photos.preprocessing import Normalize, Preprocess, preprocess_named
from seewhy.photos.processor import from_processor, is_processor
from seewhy.photos.transforms import from_transform, is_transform


@dataclass(frozen=True)
class Description:
    """What is known of a network before it runs; None where nothing is.

    Attributes:
        size: of its photos, height and width.
        preprocess: how pixels become its input.
        labels: the names of its classes.
        fit: how a photo meets the input size.
        usual: how pixels become the input of networks of its kind.
        processor: the name of the processor that prepares its photos; or empty.
    """

    size: tuple[int, int] | None
    preprocess: Preprocess | Preprocessing | None
    labels: Labels | None
    fit: Fit | str | None
    usual: Preprocessing | None = None
    processor: str = ""

    def check(self, network: Network) -> None:
        """Refuse a processor of another network.

        Raises:
            OptionError: the network does not take what the processor makes.
        """
        if not self.processor:
            return
        assert isinstance(self.preprocess, Preprocessing)
        mode, channels = self.preprocess.mode, network.input_shape[2]
        depth = len(mode.mean) if isinstance(mode, Normalize) else channels
        photos = f"photos of {depth} channels" if depth != channels else ""
        try:
            _ = network.classes
        except ModelError:
            if self.size is None:
                raise
            photos = "photos of {}×{} pixels".format(*self.size)
        if photos:
            raise OptionError(
                f"{self.processor} makes {photos}, which '{network.name}' does not take: it is "
                "the processor of another network. Give this one's own: preprocess=..."
            )


def describe(
    model: Any,
    *,
    size: tuple[int, int] | None,
    preprocess: Preprocess | Preprocessing | None,
    labels: LabelSource | None,
    fit: Fit | str | None,
) -> Description:
    """Return what is given, and for the rest what the model's publishers tell.

    Raises:
        OptionError: something given is not valid, or the size and the fit do not agree.
    """
    known = published(model)
    preprocess = known.processor if preprocess is None else preprocess
    label_set = labels_from(labels if labels is not None else known.labels)
    if size is None and isinstance(fit, Fit):
        size = fit.size
    usual = None
    if known.usual_processor is not None:
        usual = Preprocessing(
            from_processor(known.usual_processor)[0],
            "assumed",
            f"transformers' default for '{model.config.model_type}', as no processor is beside it",
        )
    if is_processor(preprocess):
        name = type(preprocess).__name__.removesuffix("Pil")
        mode, its_fit = from_processor(preprocess)
        fit = its_fit and _resized(its_fit, size) if fit is None else fit
        if size is None and isinstance(fit, Fit):
            size = fit.size
        known_mode = Preprocessing(mode, "known", f"its processor, {name}")
        return Description(size or known.size, known_mode, label_set, fit, processor=name)
    if is_transform(preprocess):
        preprocess, its_fit = from_transform(preprocess, size)
        fit = _fit_of_transform(fit, its_fit, size or known.size)
        if size is None and isinstance(fit, Fit):
            size = fit.size
    mode = preprocess.mode if isinstance(preprocess, Preprocessing) else preprocess
    if isinstance(mode, str):
        preprocess_named(mode)
    return Description(size or known.size, preprocess, label_set, fit, usual)


def _resized(fit: Fit, size: tuple[int, int] | None) -> Fit:
    """Return a fit to another size; the resize before the crop keeps its ratio."""
    if size is None or size == fit.size:
        return fit
    assert fit.size is not None
    resize = fit.resize and round(fit.resize * min(size) / min(fit.size))
    return replace(fit, size=size, resize=resize)


def _fit_of_transform(
    fit: Fit | str | None, its_own: Fit | None, size: tuple[int, int] | None
) -> Fit | str | None:
    """Return the user's fit, or that of a transform, unless the input has another size."""
    if fit is not None or its_own is None or size in (None, its_own.size):
        return its_own if fit is None else fit
    assert size is not None
    made = "×".join(map(str, its_own.size or ()))
    raise OptionError(
        f"The transform makes photos of {made} pixels, and the input size is {size[0]}×{size[1]}. "
        "Give a size or a transform that fits, or fit='stretch'."
    )
