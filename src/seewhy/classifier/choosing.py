"""Choose the preprocessing of one network, once, when it first gets photos.

Axes: n photo, h row, w column, c channel.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from threading import RLock
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from seewhy.classifier.evidence import CLEAR_RATIO, LARGEST_DISTANCE, Evidence
from seewhy.classifier.infer import by_answers, by_normalization, candidates_and, infer
from seewhy.classifier.known import known
from seewhy.classifier.preprocessing import Preprocessing, spoken
from seewhy.errors import SeewhyWarning
from seewhy.networks.base import Network
from seewhy.photos.fitting import Fit, fit_photo
from seewhy.photos.preprocessing import Preprocess
from seewhy.photos.samples import sample_photos

MOST_PHOTOS = 8
"""The number of user photos that are used, in addition to the samples."""

FIRST_SAMPLES = 4
"""Samples that a given preprocessing is tested with, in addition to one user photo."""

ACCEPTED_DISTANCE = 0.2
"""Up to this distance a given preprocessing is accepted, and the others are not tried."""

DEFAULT = "none"
"""The preprocessing that is assumed if nothing is known."""


class Chooser:
    """Holds the preprocessing of one classifier; private to it. Threads may share it.

    Args:
        network: a `Network`.
        fit: how a photo meets the input size.
        given: by the user, or known from the network; None if unknown.
        name: of the network, for messages.
        usual: of networks of its kind: assumed where nothing in the network shows it.
    """

    def __init__(
        self,
        network: Network,
        fit: Fit,
        given: Preprocess | Preprocessing | None,
        *,
        name: str,
        usual: Preprocessing | None = None,
    ) -> None:
        self._network = network
        self._fit = fit
        self._name = name
        self._usual = usual
        self._lock = RLock()
        self._is_settled = False
        if isinstance(given, Preprocessing):
            self._found: Preprocessing | None = given
        elif given is not None:
            self._found = Preprocessing(given, "given")
        else:
            self._found = known(network, self._size)

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self._network, self._fit, self._found, self._name, self._usual)

    @property
    def known(self) -> Preprocessing | None:
        """The preprocessing found so far, without running the network; None if none is."""
        return self._found

    def mode(self) -> Preprocess:
        """Return the preprocessing; chosen from the sample photos if no others were seen yet."""
        with self._lock:
            if self._found is None:
                self.settle(np.zeros((0, *self._size, 3), np.uint8))
            assert self._found is not None
            return self._found.mode

    def settle(self, pixels: UInt8[ndarray, "n h w 3"], *, aloud: bool = True) -> Preprocessing:
        """Choose the preprocessing, or question the given one; the first photos decide.

        Args:
            pixels: the user's photos, at the input size.
            aloud: whether to warn; a page that prints the result does not need to.

        Warns:
            SeewhyWarning: the preprocessing is inferred, assumed, or fits badly.
        """
        with self._lock:
            if not self._is_settled:
                self._is_settled = True
                self._found = self._chosen(pixels) if self._found is None else self._tried(pixels)
                if aloud:
                    warn_of(self._found, self._name)
            assert self._found is not None
            return self._found

    def evidence(self, pixels: UInt8[ndarray, "n h w 3"]) -> Evidence:
        """Return how well every mode fits, including the one in use."""
        preprocessing = self.settle(pixels, aloud=False)
        if preprocessing.evidence is not None:
            return preprocessing.evidence
        _, tried = candidates_and(preprocessing.mode, self._network.input_shape[2])
        some = self._with_samples(pixels[:MOST_PHOTOS])
        return by_normalization(self._network, some, tried) or by_answers(
            self._network, some, tried
        )

    @property
    def _size(self) -> tuple[int, int]:
        assert self._fit.size is not None
        return self._fit.size

    def _chosen(self, pixels: UInt8[ndarray, "n h w 3"]) -> Preprocessing:
        evidence = infer(self._network, self._with_samples(pixels[:MOST_PHOTOS]))
        if evidence.choice is None and self._usual is not None:
            return replace(self._usual, evidence=evidence)
        if evidence.choice is None:
            mode, reason = assumed(evidence)
            return Preprocessing(mode, "assumed", reason, evidence)
        return Preprocessing(evidence.choice, "inferred", grounds(evidence), evidence)

    def _tried(self, pixels: UInt8[ndarray, "n h w 3"]) -> Preprocessing:
        """Test the given mode on a few photos; only if it is far off, test the others."""
        preprocessing = self._found
        assert preprocessing is not None
        own, tried = candidates_and(preprocessing.mode, self._network.input_shape[2])
        some = self._with_samples(pixels[:1], FIRST_SAMPLES)
        quick = by_normalization(self._network, some, {own: preprocessing.mode})
        if quick is None or quick.kind == "untrained" or quick.values[own] <= ACCEPTED_DISTANCE:
            return preprocessing
        many = self._with_samples(pixels[:MOST_PHOTOS])
        evidence = by_normalization(self._network, many, tried)
        assert evidence is not None
        return Preprocessing(
            preprocessing.mode,
            preprocessing.origin,
            preprocessing.reason,
            evidence,
            doubt(own, evidence),
        )

    def _with_samples(
        self, pixels: UInt8[ndarray, "n h w 3"], count: int | None = None
    ) -> UInt8[ndarray, "m h w 3"]:
        samples = [fit_photo(photo, self._fit)[0] for photo in sample_photos()[:count]]
        return np.concatenate([pixels, np.stack(samples)]) if samples else pixels


def _again(
    network: Network,
    fit: Fit,
    preprocessing: Preprocessing | None,
    name: str,
    usual: Preprocessing | None,
) -> Chooser:
    return Chooser(network, fit, preprocessing, name=name, usual=usual)


def grounds(evidence: Evidence) -> str:
    """Return the evidence for a choice, in words."""
    (best, value), *others = evidence.values.items()
    if evidence.kind == "normalization":
        second = f"; next {others[0][0]}, {others[0][1]:.2f}" if others else ""
        return f"the training statistics of '{evidence.layer}' (distance {value:.2f}{second})"
    return f"the outputs for {evidence.photos} photos, which only make sense under {best}"


def assumed(evidence: Evidence) -> tuple[str, str]:
    """Return what to assume if the evidence is not clear, and why."""
    left = evidence.plausible
    if evidence.kind == "nothing":
        return DEFAULT, "nothing in the network shows it"
    if evidence.kind == "untrained":
        return DEFAULT, str(evidence)
    if left:
        mode = DEFAULT if DEFAULT in left else left[0]
        return mode, f"{' and '.join(left)} fit about as well ({evidence.listed})"
    return DEFAULT, f"no mode fits ({evidence.listed})"


def doubt(own: str, evidence: Evidence) -> str:
    """Return why another preprocessing may be right; '' if none fits much better."""
    (best, value), *_ = evidence.values.items()
    given = evidence.values[own]
    if best == own or value > LARGEST_DISTANCE or given < max(2 * CLEAR_RATIO * value, value + 0.1):
        return ""
    return (
        f"'{best}' fits much better: the distance from the training statistics of "
        f"'{evidence.layer}' is {value:.2f} under '{best}', and {given:.2f} under "
        f"{own if ' ' in own else repr(own)}"
    )


def warn_of(preprocessing: Preprocessing, name: str) -> None:
    """Warn about a preprocessing that was not given or does not fit.

    Warns:
        SeewhyWarning: the preprocessing is inferred, assumed, or fits badly.
    """
    if preprocessing.doubt:
        message = (
            f"The preprocessing {spoken(preprocessing.mode)} does not seem to be what "
            f"'{name}' was trained with: {preprocessing.doubt}. Compare them: seewhy check."
        )
    elif preprocessing.origin == "inferred":
        message = (
            f"The preprocessing of '{name}' was not given: {preprocessing}. Give it, to be sure: "
            f"preprocess='{spoken(preprocessing.mode)}', or "
            f"--preprocess {spoken(preprocessing.mode)}."
        )
    elif preprocessing.origin == "assumed":
        message = (
            f"The preprocessing of '{name}' was not given: {preprocessing}. What is shown may be "
            "wrong. Give it, as preprocess='tf' or --preprocess tf; seewhy check explains."
        )
    else:
        return
    warnings.warn(message, SeewhyWarning, stacklevel=4)
