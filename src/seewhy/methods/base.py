"""What every method is: a row of the table METHODS, and what a probe returns.

Axes: n image, t target (class), m copy of one image, h row, w column, c channel.
Methods are numpy only and never see a network: a *map* takes arrays, a *probe* takes a function.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from jaxtyping import Float
from numpy import ndarray

from seewhy.settings import Setting

Score = Callable[[Float[ndarray, "m ..."]], Float[ndarray, "m t"]]
"""The explained values of m copies, for t targets."""

Gradient = Callable[
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


@dataclass(frozen=True)
class Method:
    """A row of the table METHODS. Its function's arguments determine what it is passed.

    The arguments of a map:
        activations: of the explained layer, (n, h, w, c).
        gradients: of one target's score by these, (n, h, w, c).
        weights: the classifier's row for the target, (n, c).

    The arguments of a probe, which sees one image:
        image: (h, w, c) in the network's input range.
        score: a `Score` of copies of the image.
        downstream: a `Score` of copies of the layer's activations.
        gradient: a `Gradient`; with `guided`, through guided ReLUs.
        activations, gradients: of the explained layer, (h, w, c) and (t, h, w, c).
        scene: all of them and the photo itself, see `seewhy.methods.covering.Scene`.

    Attributes:
        function: the map or probe; what `explain` runs.
        paper: authors, title, venue and arXiv number.
        summary: one line that says what the method shows.
        cost: in words, in forward (F) and backward (B) passes: "1 F + 1 B per class".
        options: what users may set.
        copies: for probes, how many copies are run, at most: f(shape (h, w, c), options), where
            the shape is the layer's for methods at a layer, else the image's.
        signed: True where pictures show negative values too, as what speaks against the class.
        guided: True where the backward pass goes through guided ReLUs.
        contrasts: True where classes are contrasted with similar ones unless others are named;
            its options 'similar' and 'strength' say with how many, and how much.
        multiplies: True where the maps of several layers are multiplied, not averaged; unless
            layers are named, the last one of each of three scales.
        from_minimum: True where a map has a meaningless offset (RISE: the mean score), so that
            pictures show it from its minimum, not from 0.
        name: the key in the table: 'grad-cam'.
    """

    function: Callable[..., Any]
    paper: str
    summary: str
    cost: str
    options: tuple[Setting, ...] = ()
    copies: Callable[[tuple[int, ...], Mapping[str, Any]], int] | None = None
    signed: bool = False
    guided: bool = False
    contrasts: bool = False
    multiplies: bool = False
    from_minimum: bool = False
    name: str = ""

    @cached_property
    def takes(self) -> tuple[str, ...]:
        """The names of the function's positional arguments."""
        parameters = inspect.signature(self.function).parameters.values()
        return tuple(one.name for one in parameters if one.kind is not one.KEYWORD_ONLY)

    @property
    def at_layer(self) -> bool:
        """True for a method that looks at a layer's activations."""
        return "activations" in self.takes

    @property
    def pixel_level(self) -> bool:
        """True for a map of single pixels, drawn as a separate picture and not over the photo."""
        return "gradient" in self.takes

    @property
    def per_batch(self) -> bool:
        """True for a map, which takes a batch of images at once; False for a probe."""
        return not {"image", "downstream", "scene"} & set(self.takes)

    @property
    def backward(self) -> bool:
        """True for a method that needs gradients."""
        return not {"gradient", "gradients"}.isdisjoint(self.takes)

    @property
    def class_free(self) -> bool:
        """True for a method whose map is the same whatever the class."""
        return self.takes == ("activations",)

    def settings(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return all options: those given, the defaults for the others."""
        return {one.name: one.default for one in self.options} | dict(options)

    def count_copies(self, shape: tuple[int, ...], options: Mapping[str, Any]) -> int:
        """Return the number of copies that the method runs, at most; 0 for maps."""
        return 0 if self.copies is None else self.copies(shape, self.settings(options))
