"""What is measured: the columns of an evaluation's table, and what must be run for each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """A column of the table: how one measure of `MethodScores` is reported.

    Attributes:
        title: in tables.
        higher_is_better: False for deletion.
        key: in JSON.
        group: what must be run for it, a key of `GROUPS`.
        help: what it tells, in a few words.
    """

    title: str
    higher_is_better: bool
    key: str
    group: str
    help: str


MEASURES = {
    "deletion": Measure(
        "deletion ↓", False, "deletion", "removal", "probability while the hottest cells go"
    ),
    "insertion": Measure(
        "insertion ↑", True, "insertion", "removal", "probability while the hottest cells come"
    ),
    "road": Measure("ROAD ↑", True, "road", "removal", "loss without the hot cells, imputed"),
    "agreement": Measure(
        "occlusion ↑", True, "agreement_with_occlusion", "occlusion", "rank correlation with it"
    ),
    "sensitivity": Measure(
        "class ↑", True, "class_sensitivity", "removal", "change for the runner-up"
    ),
    "head": Measure(
        "head ↓", False, "random_head", "randomization", "what is left with a random last layer"
    ),
    "weights": Measure(
        "weights ↓", False, "random_weights", "randomization", "what is left with random weights"
    ),
    "grid": Measure(
        "GridPG ↑", True, "grid_pointing", "mosaics", "heat in the right photo of four"
    ),
    "energy": Measure("energy ↑", True, "energy", "boxes", "share of the heat on the object"),
    "lift": Measure("lift ↑", True, "energy_lift", "boxes", "that over the object's share"),
    "pointing": Measure("pointing ↑", True, "pointing_game", "boxes", "hottest pixel on it"),
    "box": Measure("box ↑", True, "held_out_box_accuracy", "boxes", "box at IoU 0.5"),
    "box_v2": Measure("boxV2 ↑", True, "held_out_box_accuracy_v2", "boxes", "IoU 0.3, 0.5 and 0.7"),
}
"""The measures that have one value per photo, in the order of the table."""

GROUPS = {
    "removal": "deletion, insertion, ROAD and class sensitivity",
    "occlusion": "agreement with exact occlusion",
    "randomization": "copies of the network with random weights",
    "mosaics": "grid pointing, on mosaics of four photos",
    "boxes": "energy, lift, pointing game and boxes; needs boxes",
}
"""What can be measured, by the names that `evaluate` takes."""
