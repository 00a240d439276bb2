"""A network with everything needed to feed it photos and to read its output.

Axes: n image, h row, w column, c channel, k class.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, SupportsIndex, Unpack

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from seewhy.classifier.choosing import Chooser
from seewhy.classifier.description import describe
from seewhy.classifier.evidence import Evidence
from seewhy.classifier.familiarity import ReferenceFeatures
from seewhy.classifier.labels import (
    Labels,
    LabelSource,
    find_class,
    labels_for,
)
from seewhy.classifier.preprocessing import Preprocessing, spoken
from seewhy.errors import OptionError
from seewhy.networks import adapt, with_prompts
from seewhy.networks.base import Network, Output
from seewhy.networks.checks import check_input_size
from seewhy.networks.prompts import NO_PROMPTS, PromptKeywords, Prompts
from seewhy.networks.session import Session
from seewhy.photos.fitting import Fit, fit_photo
from seewhy.photos.photo import Placement
from seewhy.photos.preprocessing import Preprocess, preprocess_pixels
from seewhy.photos.reading import Photo
from seewhy.settings import as_size
from seewhy.settings.signature import name_keywords

Size = int | tuple[int, int]
"""The input size: one number for a square, or (height, width)."""


class CallKeywords(PromptKeywords, total=False):
    """The keywords of `Classifier` that say how a model is called, where it does not itself."""

    call: Callable[..., Any] | None
    channels: int | None
    tokenizer: Any
    device: str | None


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Classifier:
    """A network, its input size, preprocessing and labels, and the layer to explain.

    Three lines explain a network of your own:

        classifier = seewhy.Classifier(model, size=224, preprocess="torch", labels="labels.txt")
        explanation = seewhy.explain(classifier, "photo.jpg")
        explanation.save("why.png")

    Args:
        model: a Keras model, a PyTorch module, or an object with the verbs of `Network` or some of
            them. It is not modified.
        size: the input size, one number or (height, width); None: the size that the model
            fixes, or that torchvision, timm or transformers published.
        preprocess: how pixels become the network's input: 'caffe', 'tf' or 'torch' (the modes of
            keras.applications), 'unit' (0 ... 1), 'none' (0 ... 255: the network rescales them
            itself), a transform of torchvision or timm (also `weights.transforms()`), a processor
            of transformers, or a function of float32 pixels (n, h, w, c), red first, 0 ... 255.
            None: as the network, or a processor beside it, declares it; otherwise inferred from
            the first photos, with a warning.
        labels: the names of the classes: a list, an array, a table by number or by name, a file of
            one of these (lines, JSON, CSV), 'cat,dog', 'imagenet', or None for 'class 0', 'class 1'
            and so on. A network with one sigmoid output has two:
            of the low and of the high value. One output without a sigmoid is a regression, unless
            two labels name the classes of its logit.
        layer: the layer to explain, by name or as the framework's object; None: the last one with
            a spatial map before pooling or flattening.
        fit: how a photo meets the input size: 'stretch' (default), 'crop' (centre crop; 'crop:256'
            with the shorter side resized to 256 before), or a `Fit`.
        name: the network's name in messages.
        call: for networks with several inputs: call(model, images) returns the model's output, for
            images in the framework's own tensors and layout.
        channels: 1 (grey) or 3, where it does not follow from the model.
        prompts: the classes of a network that compares images with texts (CLIP, SigLIP), in words:
            ["a cat", "a dog"].
        template: the sentence around each prompt, "a photo of a {}"; several are averaged.
        neutral: the prompt whose score is taken off all others': by default an empty one, since the
            scores of unrelated prompts are alike. False: no prompt.
        tokenizer: of such a network, where it is not beside its file.
        device: where the network computes: 'cpu', 'cuda', 'cuda:1' or 'mps', to which a PyTorch
            module is moved; a device of Keras ('gpu:1') or a provider of onnxruntime. None: where
            it is, or as its framework chooses.
        references: features of its training photos, which networks of `seewhy.train` contain:
            explanations then flag photos that are unlike all of them.

    Attributes:
        network: the model, wrapped as a `Network`.
        size: (height, width).
        fit: how a photo meets the input size.
        preprocess: as given, known or inferred.
        prompts: the prompts that are its classes; None where its classes are its own.
        labels: one name per class; empty where the output is not one row of scores per photo.
        wordnet_ids: one per class, or empty.
        layer: the name of the layer that is explained unless another one is given.
        name: the network's name in messages.
        references: features of training photos, or None.
        session: cached facts about the network; private.

    Raises:
        ModelError: the model is not of a type that seewhy supports.
        OptionError: size, fit, preprocessing or labels do not fit the network.
        UnknownLayer: the network has no such layer.
    """

    network: Network
    size: tuple[int, int]
    fit: Fit
    labels: tuple[str, ...]
    wordnet_ids: tuple[str, ...]
    layer: str
    name: str
    references: ReferenceFeatures | None
    prompts: Prompts | None
    session: Session
    _labels: Labels
    _chooser: Chooser

    @name_keywords(
        CallKeywords,
        {**NO_PROMPTS, "call": None, "channels": None, "device": None, "tokenizer": None},
    )
    def __init__(
        self,
        model: Any,
        *,
        size: Size | None = None,
        preprocess: Preprocess | Preprocessing | None = None,
        labels: LabelSource | None = None,
        layer: Any = None,
        fit: Fit | str | None = None,
        name: str | None = None,
        references: ReferenceFeatures | None = None,
        **given: Unpack[CallKeywords],
    ) -> None:
        known = describe(model, size=as_size(size), preprocess=preprocess, labels=labels, fit=fit)
        name = name or _name_of(model)
        call = given.get("call")
        way: dict[str, Any] = {
            "call": call,
            "channels": given.get("channels"),
            "device": given.get("device"),
        }
        tokenizer = given.get("tokenizer") or getattr(preprocess, "tokenizer", None)
        asked: dict[str, Any] = {key: given.get(key, NO_PROMPTS[key]) for key in NO_PROMPTS}
        prompts = Prompts.of(**asked, tokenizer=tokenizer)
        if call is None or prompts is not None:
            model = with_prompts(model, prompts, name=name, size=known.size)
        label_set = known.labels
        if label_set is None and prompts is not None:
            label_set = Labels(prompts.texts)
        is_pair = label_set is not None and len(label_set.names) == 2
        network = adapt(model, size=known.size, name=name, is_pair=is_pair, **way)
        known.check(network)
        size = _checked_size(known.size, network.input_shape, name)
        label_set = labels_for(label_set, classes=network.classes, network=name)
        fit = as_fit(known.fit, size)
        for attribute, value in (
            ("network", network),
            ("size", size),
            ("fit", fit),
            ("labels", label_set.names),
            ("wordnet_ids", label_set.wordnet_ids),
            ("layer", network.default_layer if layer is None else network.layer_name(layer)),
            ("name", name),
            ("references", references),
            ("prompts", prompts),
            ("session", Session(network)),
            ("_labels", label_set),
            ("_chooser", Chooser(network, fit, known.preprocess, name=name, usual=known.usual)),
        ):
            object.__setattr__(self, attribute, value)

    def __repr__(self) -> str:
        known = self._chooser.known
        way = "not known yet" if known is None else spoken(known.mode)
        return (
            f"<Classifier '{self.name}': {self.size[0]}×{self.size[1]} pixels, {self.fit.mode}, "
            f"preprocess {way}, {len(self.labels)} classes, explained at '{self.layer}'>"
        )

    @property
    def has_labels(self) -> bool:
        """True if the classes have names; otherwise they are 'class 0', 'class 1' and so on."""
        return self._labels.given

    @property
    def is_regression(self) -> bool:
        """True for a network with a single output and no sigmoid: a value, not a class."""
        return self.network.classes == 1 and self.network.head == "linear"

    @property
    def preprocess(self) -> Preprocess:
        """How pixels become the network's input: a mode's name, or a function."""
        return self._chooser.mode()

    @property
    def preprocessing(self) -> Preprocessing | None:
        """The preprocessing with its reason; None until photos have been seen to infer it from."""
        return self._chooser.known

    def find_preprocessing(self, photos: Sequence[Photo], *, aloud: bool = True) -> Preprocessing:
        """Return the preprocessing; the first photos decide it once and for all.

        Args:
            photos: the user's photos; may be empty, since a few samples are always added.
            aloud: whether to warn about a mode that is inferred, assumed or doubtful.
        """
        return self._chooser.settle(self._fitted(photos)[0], aloud=aloud)

    def preprocessing_evidence(self, photos: Sequence[Photo]) -> Evidence:
        """Return how well each preprocessing fits the network, including the one in use."""
        return self._chooser.evidence(self._fitted(photos)[0])

    def prepare(self, photos: Sequence[Photo]) -> tuple[Float[ndarray, "n h w c"], list[Placement]]:
        """Return photos as network input, and which part of each photo the network sees.

        Raises:
            OptionError: the preprocessing does not fit the network's channels.
        """
        pixels, placements = self.fit_photos(photos)
        return self.to_input(pixels), placements

    def fit_photos(
        self, photos: Sequence[Photo]
    ) -> tuple[UInt8[ndarray, "n h w 3"], list[Placement]]:
        """Return photos at the network's input size, and which part of each photo it sees.

        Warns:
            SeewhyWarning: the first time, if the preprocessing is not known or does not fit.
        """
        pixels, placements = self._fitted(photos)
        if len(pixels):
            self._chooser.settle(pixels)
        return pixels, placements

    def _fitted(self, photos: Sequence[Photo]) -> tuple[UInt8[ndarray, "n h w 3"], list[Placement]]:
        fitted = [fit_photo(photo, self.fit) for photo in photos]
        pixels = np.zeros((len(fitted), *self.size, 3), np.uint8)
        for row, (image, _) in zip(pixels, fitted, strict=True):
            row[:] = image
        return pixels, [placement for _, placement in fitted]

    def to_input(self, pixels: UInt8[ndarray, "n h w 3"]) -> Float[ndarray, "n h w c"]:
        """Return pixels at the network's input size, scaled to the network's input range.

        Raises:
            OptionError: the preprocessing does not fit the network's channels.
        """
        channels = self.network.input_shape[2]
        if not len(pixels):
            return np.zeros((0, *self.size, channels), np.float32)
        return preprocess_pixels(pixels, self.preprocess, channels=channels, network=self.name)

    def probabilities(self, scores: Float[ndarray, "n k"]) -> Float[ndarray, "n k"]:
        """Return the probabilities for given scores: by softmax or sigmoid, as the network ends.

            softmax: p[k] = exp(z[k]) / sum over j of exp(z[j])
            sigmoid: p[k] = 1 / (1 + exp(−z[k])), each class independently

        A network without either (most PyTorch networks) gets the softmax that it was trained
        with. A regression, a single output without either, has no probability: NaN.
        """
        values = np.asarray(scores, np.float64)
        if self.is_regression:
            shares = np.full_like(values, np.nan)
        elif self.network.head == "sigmoid":
            shares = 0.5 * (1 + np.tanh(0.5 * values))
        else:
            powers = np.exp(values - values.max(axis=-1, keepdims=True))
            shares = powers / powers.sum(axis=-1, keepdims=True)
        return np.asarray(shares, np.float32)

    def values(self, scores: Float[ndarray, "n k"], output: Output) -> Float[ndarray, "n k"]:
        """Return what of each class is explained: its score, its probability, or ReST.

            ReST: r[k] = z[k] + log p[k], which neither saturates as p does nor ignores the other
            classes as z does

        Source:
            Cai, *CAMs as Shapley Value-based Explainers*, 2025 (arXiv:2501.06261): the score less
            the cross-entropy of the class.
        """
        if output == "score":
            return scores
        if output == "probability":
            return self.probabilities(scores)
        values = np.asarray(scores, np.float64)
        if self.network.head == "sigmoid":
            logarithms = -np.logaddexp(0, -values)
        else:
            logarithms = values - np.logaddexp.reduce(values, axis=-1, keepdims=True)
        return np.asarray(values + logarithms, np.float32)

    def class_index(self, query: str | SupportsIndex) -> int:
        """Return the index of a class given by name, WordNet id or index.

        Raises:
            UnknownClass: no class has that name, or several do; the message lists the nearest.
        """
        if not isinstance(query, str):
            query = operator.index(query)
        return find_class(query, self._labels, network=self.name)

    def label(self, index: int) -> str:
        """Return the name of a class.

        Raises:
            UnknownClass: there is no such class.
        """
        return self.labels[self.class_index(int(index))]


def as_fit(fit: Fit | str | None, size: tuple[int, int]) -> Fit:
    """Return the `Fit` for a Fit, 'stretch', 'crop' or 'crop:256'.

    Raises:
        OptionError: it is not a valid fit, or a Fit to another size.
    """
    if fit is None or fit == "stretch":
        return Fit(size=size)
    if isinstance(fit, str):
        word, _, resize = fit.partition(":")
        if word == "crop" and (not resize or resize.isdecimal()):
            sides = as_size(resize) if resize else None
            return Fit(size=size, mode="crop", resize=sides[0] if sides else None)
        raise OptionError(
            f"There is no fit '{fit}'. Choose stretch, crop, or crop:256 (resize the shorter side "
            "to 256 pixels, then crop)."
        )
    if fit.size is None:
        return replace(fit, size=size)
    if tuple(fit.size) != size:
        raise OptionError(
            f"The fit is to {fit.size[0]}×{fit.size[1]} pixels, but the network's input is "
            f"{size[0]}×{size[1]}. Give both the same size."
        )
    return fit


def _checked_size(
    wanted: tuple[int, int] | None, shape: tuple[int | None, int | None, int], name: str
) -> tuple[int, int]:
    height, width, channels = shape
    if wanted is None:
        if height is None or width is None:
            raise OptionError(
                f"'{name}' takes photos of any size. Say which it was trained for: "
                "size=(height, width) in Python, --size 224 on the command line."
            )
        wanted = height, width
    check_input_size(name, wanted, channels)
    if (height or wanted[0], width or wanted[1]) != wanted:
        raise OptionError(
            f"'{name}' takes photos of {height or 'any'}×{width or 'any'} pixels, but the size "
            f"given is {wanted[0]}×{wanted[1]}. Leave the size out."
        )
    return wanted


def _name_of(model: Any) -> str:
    name = getattr(model, "name", None)
    return name if isinstance(name, str) and name else type(model).__name__
