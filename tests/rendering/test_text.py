"""Letters that DejaVu Sans lacks come from a font that has them; captions keep apart."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest

from seewhy.rendering import text
from seewhy.rendering.boxes import COLOURS, draw_boxes

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"


@pytest.fixture(autouse=True)
def other_fonts(monkeypatch: pytest.MonkeyPatch):
    """A system whose only other fonts are one without and one with a letter of its own."""
    files = [str(FONTS / name) for name in ("cmr10.ttf", "STIXGeneral.ttf", "no-font.ttf")]
    text._font_file.cache_clear()
    monkeypatch.setattr(text, "_system_fonts", lambda: files)
    yield
    text._font_file.cache_clear()


def test_a_text_that_dejavu_can_write_is_written_in_it() -> None:
    assert text.font(12, "Katze Ж Ω").getname()[0] == "DejaVu Sans"


def test_a_letter_that_dejavu_lacks_comes_from_another_font() -> None:
    own = min(
        text._letters(str(FONTS / "STIXGeneral.ttf")) - text._letters(str(FONTS / "DejaVuSans.ttf"))
    )
    assert text.font(12, f"a {chr(own)}").getname()[0] == "STIXGeneral"


def test_a_letter_that_no_font_has_stays_in_dejavu() -> None:
    assert text.font(12, "\U000e0041").getname()[0] == "DejaVu Sans"
    assert text.font(12, "\n").getname()[0] == "DejaVu Sans"


def test_captions_of_boxes_at_one_place_do_not_cover_each_other() -> None:
    photo = np.zeros((300, 400, 3), np.uint8)
    boxes = [(10, 100, 200, 200), (12, 102, 198, 198), (14, 104, 190, 190)]
    bare = draw_boxes(photo, boxes, ["", "", ""])

    def captioned(titles: list[str]) -> list[int]:
        drawn = draw_boxes(photo, boxes, titles)
        return [
            int((drawn == colour).all(axis=2).sum() - (bare == colour).all(axis=2).sum())
            for colour in COLOURS[:3]
        ]

    first, *others = captioned(["one cat 0.98", "", ""])
    assert first > 500
    assert others == [0, 0]
    assert captioned(["one cat 0.98"] * 3) == [first] * 3


@pytest.mark.parametrize("box", [(10, 100, 200, 200), (0, 0, 400, 200), (0, 0, 400, 300)])
def test_a_caption_covers_no_box(box: tuple[int, int, int, int]) -> None:
    photo = np.zeros((300, 400, 3), np.uint8)
    x0, y0, x1, y1 = box
    drawn = draw_boxes(photo, [box], ["one cat 0.98"])
    np.testing.assert_array_equal(drawn[y0:y1, x0:x1], draw_boxes(photo, [box], [""])[y0:y1, x0:x1])
    outside = (drawn == COLOURS[0]).all(axis=2)
    outside[y0:y1, x0:x1] = False
    assert outside.sum() > 500
