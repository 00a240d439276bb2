"""How pictures of explanations look."""

from __future__ import annotations

from dataclasses import dataclass

from seewhy.rendering.palettes import palette_of
from seewhy.settings import Setting, check_fields

SCALES = ("each", "photo")

STYLE = (
    Setting(
        "colormap",
        "text",
        None,
        "for-against, or a colour map of matplotlib",
        shown="turbo",
        metavar="NAME",
    ),
    Setting("opacity", "number", None, "of the heat, 0 to 1", (0, 1), shown="0.8", metavar="A"),
    Setting(
        "heat_is_opacity",
        "boolean",
        None,
        "show the bare photo where there is no heat, not a film of its colour",
        shown="true",
    ),
    Setting("interpolation", "choice", "linear", "interpolation of the map", ("linear", "cubic")),
    Setting(
        "scale",
        "choice",
        "each",
        "scale each map by its own maximum, or by the photo's largest value",
        SCALES,
    ),
    Setting(
        "percentile",
        "number",
        99.0,
        "percentile of |value| at which the colours of pixel-level maps end",
        (0, 100),
        excludes=(0,),
        metavar="P",
    ),
    Setting(
        "smooth",
        "number",
        0.0,
        "σ in pixels of a Gaussian over pixel-level maps",
        (0, None),
        metavar="S",
    ),
    Setting(
        "columns",
        "integer",
        None,
        "pictures per row of a page",
        (1, 1000),
        shown="by their number",
    ),
)
"""The settings of a `Style`, in its order."""


@dataclass(frozen=True)
class Style:
    """How heat is drawn.

    Attributes:
        colormap: a colour map of matplotlib, or the diverging "for-against"; None: turbo, and
            for-against for signed maps; of pixel-level maps gray, and coolwarm for signed ones.
        opacity: of the heat over the photo, 0..1; None: 0.8, or 0.4 where the heat is not the
            opacity.
        heat_is_opacity: False colours the whole photo; otherwise the heat fades where there is
            none, as that of signed maps always does.
        interpolation: of the map: "linear" or "cubic".
        scale: "each" map by its own maximum, or one scale for all classes of a "photo", so that
            an unlikely class does not look as hot as the likely one.
        percentile: of |value| at which the colours of pixel-level maps end.
        smooth: σ in pixels of a Gaussian over pixel-level maps; 0 for none.
        columns: pictures per row of a page; None: chosen by their number and shape.

    Raises:
        OptionError: a setting has an invalid value.
    """

    colormap: str | None = None
    opacity: float | None = None
    heat_is_opacity: bool | None = None
    interpolation: str = "linear"
    scale: str = "each"
    percentile: float = 99.0
    smooth: float = 0.0
    columns: int | None = None

    @property
    def fades(self) -> bool:
        """True where the heat fades to the bare photo."""
        return self.heat_is_opacity is not False

    def __post_init__(self) -> None:
        check_fields(self, STYLE)
        if self.colormap is not None:
            palette_of(self.colormap)


SCALE = next(row for row in STYLE if row.name == "scale")

DEFAULT_STYLE = Style()
