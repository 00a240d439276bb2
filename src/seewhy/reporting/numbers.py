"""The numbers of a report as plain values, for its JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seewhy.files import finite
from seewhy.reporting.accuracy import Calibration, Share
from seewhy.reporting.heat import MeanHeat
from seewhy.reporting.proof import Outcome, Paste, Trial
from seewhy.reporting.robustness import ChangeResult


def share_as_dict(share: Share | None) -> dict[str, Any] | None:
    """Return a share with its interval."""
    if share is None:
        return None
    return {
        "count": share.count,
        "of": share.of,
        "value": finite(share.value),
        "low": share.low,
        "high": share.high,
    }


def calibration_as_dict(calibration: Calibration | None) -> dict[str, Any] | None:
    """Return the calibration error, and its bins."""
    if calibration is None:
        return None
    bins = [
        {"low": bin_.low, "high": bin_.high, "confidence": bin_.confidence}
        | {"accuracy": share_as_dict(bin_.accuracy)}
        for bin_ in calibration.bins
    ]
    interval = {"ece_low": calibration.low, "ece_high": calibration.high}
    return {"ece": calibration.error} | interval | {"bias": calibration.bias, "bins": bins}


def changed_as_dict(result: ChangeResult, names: Mapping[int, str]) -> dict[str, Any]:
    """Return what a change did."""
    return {
        "change": result.change.name,
        "definition": result.change.definition,
        "finding": result.matters,
        "right_before": result.before,
        "right_after": result.after,
        "loss": vars(result.loss),
        "lost": len(result.lost),
        "taken_for": {names[index]: count for index, count in result.taken_for},
        "classes": [vars(row) for row in result.classes],
    }


def heat_as_dict(heat: MeanHeat) -> dict[str, Any]:
    """Return a mean map and its alarm."""
    return {
        "photos": heat.photos,
        "map": heat.map.round(6).tolist(),
        "border": finite(heat.border),
        "cell": list(heat.cell),
        "cell_share": heat.cell_share,
        "alarm": heat.alarm or None,
    }


def trial_as_dict(trial: Trial) -> dict[str, Any]:
    """Return what came of taking a region away."""
    shuffled = None if trial.shuffled is None else outcome_as_dict(trial.shuffled)
    against = trial.against_shuffled
    return {
        "kind": trial.kind,
        "region": None if trial.region is None else trial.region.kind,
        "shared_region": trial.region is None or trial.region.shared,
        "confirmed": trial.confirmed,
        "members": outcome_as_dict(trial.members),
        "matched": outcome_as_dict(trial.matched),
        "shuffled": shuffled,
        "against_matched": vars(trial.against_matched),
        "against_shuffled": None if against is None else vars(against),
    }


def paste_as_dict(paste: Paste) -> dict[str, Any]:
    """Return what came of giving a region to other photos."""
    return {
        "region": paste.region.kind,
        "shared_region": paste.region.shared,
        "confirmed": paste.confirmed,
        "photos": paste.photos,
        "turned": paste.turned,
        "turned_by_others": paste.compared,
        "against_others": vars(paste.against),
    }


def outcome_as_dict(outcome: Outcome) -> dict[str, Any]:
    """Return what covering did to a group."""
    return {
        "photos": outcome.photos,
        "right_before": outcome.before,
        "right_after": outcome.after,
        "drop": vars(outcome.drop),
    }
