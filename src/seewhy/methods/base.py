"""What every method is: a row of the table METHODS, and what a probe returns.

Axes: n image, t target (class), m copy of one image, h row, w column, c channel.
Methods are numpy only and never see a network: a *map* takes arrays, a *probe* takes a function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Flag, auto
from typing import Any

from jaxtyping import Float
from numpy import ndarray

from seewhy.attention import Attention
from seewhy.settings import Setting

Score = Callable[[Float[ndarray, "m ..."]], Float[ndarray, "m t"]]
"""The explained values of m copies, for t targets."""

Differentiate = Callable[
    [Float[ndarray, "m h w c"]],
    tuple[Float[ndarray, "m t"], Float[ndarray, "m t h w c"]],
]
"""t explained values of m copies, and their derivatives by the pixels: what one forward and one
backward pass per target give (`values` and `gradients[INPUT]` of a capture)."""


@dataclass(frozen=True)
class ProbeResult:
    """The result of a probe on one image.

    Attributes:
        maps: (t, h, w) raw, in the paper's own scale and sign; NaN where nothing was tested.
        extras: further numbers by name ('grid', 'completeness_gap'), documented by the method.
            Those of shape (t) are one number per target.
        shown: where pictures show another map than the raw one: a function of the interpolation
            ('linear' or 'cubic') that returns it, (t, h, w).
    """

    maps: Float[ndarray, "t h w"]
    extras: Mapping[str, ndarray] = field(default_factory=dict)
    shown: Callable[[str], Float[ndarray, "t h w"]] | None = None


class Needs(Flag):
    """What a method's function is given, by keyword.

    A map sees a batch of images and one target at a time, a probe one image and all targets.
    """

    ACTIVATIONS = auto()
    """`activations` of the explained layer: (n, h, w, c), for probes (h, w, c)."""
    LAYER_GRADIENTS = auto()
    """`gradients` of the scores by these: (n, h, w, c) of one target, for probes (t, h, w, c)."""
    CLASS_WEIGHTS = auto()
    """`weights`, the classifier's row for the target: (n, c)."""
    SCORES = auto()
    """`image` (h, w, c) in the network's input range, and `score`, a `Score` of copies of it."""
    SCORES_FROM_LAYER = auto()
    """`downstream`, a `Score` of copies of the layer's activations."""
    PIXEL_GRADIENTS = auto()
    """`image`, and `differentiate`, a `Differentiate`."""
    GUIDED = auto()
    """The backward passes of `differentiate` go through guided ReLUs."""
    ATTENTIONS = auto()
    """`attentions`, what the method's `of_attention` made of each layer, and `prefix`, how many
    keys come before the first patch; the map is (n, p), of the patches row by row."""
    ATTENTION_GRADIENTS = auto()
    """With gradients of the score by the weights."""
    BLOCK_SCORES = auto()
    """Those gradients are of the score that each block's own output has."""
    READ = auto()
    """`read` (q), which queries of the last attention the network reads, in shares of 1."""
    SCENE = auto()
    """`scene`: all of it and the photo itself, see `seewhy.methods.covering.Scene`."""
    COPIES = auto()
    """`batch_size` and `progress`, as many copies are run."""
    RANDOMNESS = auto()
    """`generator`, made from the option 'seed'."""


PROBING = Needs.SCORES | Needs.SCORES_FROM_LAYER | Needs.PIXEL_GRADIENTS | Needs.SCENE
"""What only probes are given."""


@dataclass(frozen=True)
class Method:
    """A row of the table METHODS.

    Attributes:
        function: the map or probe; what `explain` runs.
        needs: what the function is given.
        paper: authors, title, venue and arXiv number.
        summary: one line that says what the method shows.
        cost: in words, in forward (F) and backward (B) passes: "1 F + 1 B per class".
        options: what users may set.
        copies: for probes, how many copies are run, at most: f(shape (h, w, c), options), where
            the shape is the layer's for methods at a layer, else the image's.
        signed: True where pictures show negative values too, as what speaks against the class.
        contrasts: True where classes are contrasted with similar ones unless others are named;
            its options 'similar' and 'strength' say with how many, and how much.
        multiplies: True where the maps of several layers are multiplied, not averaged; unless
            layers are named, the last one of each of three scales.
        from_minimum: True where a map has a meaningless offset (RISE: the mean score), so that
            pictures show it from its minimum, not from 0.
        shown_from: where pictures show another map than the raw one, it is made again from
            stored results: f(extras, maps (t, h, w), size (h, w) of the image, options), which
            returns what `ProbeResult.shown` is.
        of_attention: what the function is given of each attention layer; None: all of it.
        name: the key in the table: 'grad-cam'.
    """

    function: Callable[..., Any]
    needs: Needs
    paper: str
    summary: str
    cost: str
    options: tuple[Setting, ...] = ()
    copies: Callable[[tuple[int, ...], Mapping[str, Any]], int] | None = None
    signed: bool = False
    contrasts: bool = False
    multiplies: bool = False
    from_minimum: bool = False
    shown_from: Callable[..., Callable[[str], Float[ndarray, "t h w"]]] | None = None
    of_attention: Callable[[Attention], Any] | None = None
    name: str = ""

    @property
    def attends(self) -> bool:
        """True for a method that looks at attention, which only transformers have."""
        return Needs.ATTENTIONS in self.needs

    @property
    def at_layer(self) -> bool:
        """True for a method that looks at a layer's activations."""
        return Needs.ACTIVATIONS in self.needs

    @property
    def guided(self) -> bool:
        """True where the backward pass goes through guided ReLUs."""
        return Needs.GUIDED in self.needs

    @property
    def pixel_level(self) -> bool:
        """True for a map of single pixels, drawn as a separate picture and not over the photo."""
        return Needs.PIXEL_GRADIENTS in self.needs

    @property
    def per_batch(self) -> bool:
        """True for a map, which takes a batch of images at once; False for a probe."""
        return not self.needs & PROBING

    @property
    def unit(self) -> str:
        """What a value of the map is, in words for a colour bar."""
        if Needs.SCENE in self.needs:
            return "drop of the score when covered"
        if self.class_free:
            return "activation"
        if Needs.CLASS_WEIGHTS in self.needs:
            return "added to the score by this cell"
        if not self.at_layer:
            by_pixel = "of the score, by this pixel"
            return by_pixel if self.pixel_level else "expected score"
        return "of the score, through the layer"

    @property
    def backward(self) -> bool:
        """True for a method that needs gradients."""
        gradients = Needs.LAYER_GRADIENTS | Needs.PIXEL_GRADIENTS | Needs.ATTENTION_GRADIENTS
        return bool(self.needs & gradients)

    @property
    def class_free(self) -> bool:
        """True for a method whose map is the same whatever the class."""
        return self.needs in (Needs.ACTIVATIONS, Needs.ATTENTIONS | Needs.READ)

    def settings(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return all options: those given, the defaults for the others."""
        return {option.name: option.default for option in self.options} | dict(options)

    def count_copies(self, shape: tuple[int, ...], options: Mapping[str, Any]) -> int:
        """Return the number of copies that the method runs, at most; 0 for maps."""
        return 0 if self.copies is None else self.copies(shape, self.settings(options))
