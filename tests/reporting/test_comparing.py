"""Two networks on the same photos: the statistics by hand, and the whole way with known answers."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import seewhy
from seewhy.commands.cli import main
from seewhy.errors import OptionError
from seewhy.photos.photo import Placement
from seewhy.reporting.comparing import on_grid
from seewhy.reporting.paired import overlaps, paired_accuracy, usual_overlaps
from tests.browser import ARGUMENTS, chromium
from tests.linear_network import LinearNetwork

SIDE = 28
NAMES = ("tests.reporting.test_comparing:honest", "tests.reporting.test_comparing:bluish")
HONEST = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
BLUISH = np.array([[1, 0, 1], [0, 1, 0]], np.float32)
"""A cat is red, a dog is green; to the second network, a cat is blue as well."""


def network(name: str, weights: np.ndarray) -> LinearNetwork:
    return LinearNetwork(name=name, input_shape=(SIDE, SIDE, 3), weights=weights)


def honest() -> LinearNetwork:
    return network("honest", HONEST)


def bluish() -> LinearNetwork:
    return network("bluish", BLUISH)


def classifier(made: LinearNetwork) -> seewhy.Classifier:
    return seewhy.Classifier(made, labels=["cat", "dog"], preprocess="unit")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six cats that both know, eight dogs that are lost, two cats that are gained, four dogs."""
    folder = tmp_path_factory.mktemp("compared") / "photos"
    kinds = [
        ("cat", 6, (255, 0, 0), (0, 0, 0)),
        ("dog", 8, (0, 100, 0), (0, 0, 255)),
        ("cat", 2, (50, 100, 0), (0, 0, 255)),
        ("dog", 4, (0, 255, 0), (0, 255, 0)),
    ]
    number = 0
    for label, count, left, right in kinds:
        (folder / label).mkdir(parents=True, exist_ok=True)
        pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
        pixels[:, : SIDE // 2], pixels[:, SIDE // 2 :] = left, right
        for _ in range(count):
            Image.fromarray(pixels).save(folder / label / f"{number:02}.png")
            number += 1
    return folder


@pytest.fixture(scope="module")
def compared(photos: Path) -> seewhy.NetworkComparison:
    return seewhy.compare_networks(photos, classifier(honest()), classifier(bluish()), method="cam")


def test_mcnemars_test_and_the_interval_by_hand() -> None:
    first = np.array([True] * 18 + [False] * 2)
    second = np.array([True] * 10 + [False] * 8 + [True] * 2)
    found = paired_accuracy(first, second)
    assert (found.photos, found.first, found.second, found.lost, found.gained) == (20, 18, 12, 8, 2)
    # P(X ≤ 2) of ten fair coins is (1 + 10 + 45) / 1024, and the test has two sides.
    assert found.p == pytest.approx(112 / 1024)
    # l = 9 / 22, g = 3 / 22: −6/22 ± 1.959964 · √((12/22 − (6/22)²) / 22)
    assert found.difference.mean == pytest.approx(-0.3)
    assert found.difference.low == pytest.approx(-0.559529, abs=1e-5)
    assert found.difference.high == pytest.approx(0.014075, abs=1e-5)


def test_that_nothing_changed_is_no_proof_that_nothing_would() -> None:
    same = np.array([True, False] * 10)
    found = paired_accuracy(same, same)
    assert found.p == 1
    # Of no change: ± 1.959964 · √(2 / 22) / √22 = ± 0.126
    assert found.difference.low == pytest.approx(-found.difference.high)
    assert found.difference.high == pytest.approx(0.12599, abs=1e-4)


def test_overlap_is_the_share_of_heat_at_the_same_place() -> None:
    first = np.array([[[3, 1], [0, -5]], [[1, 0], [0, 0]], [[0, 0], [0, 0]]], np.float32)
    second = np.array([[[1, 1], [2, 0]], [[0, 1], [0, 0]], [[1, 0], [0, 0]]], np.float32)
    found = overlaps(first, second)
    np.testing.assert_allclose(found[:2], [0.25 + 0.25, 0])
    assert np.isnan(found[2])


def test_the_usual_overlap_is_with_other_photos_of_the_class() -> None:
    maps = np.array([[[1, 0]], [[1, 0]], [[0, 1]], [[0, 1]]], np.float32)
    found = usual_overlaps(maps, np.array([0, 0, 0, 1]), generator=np.random.default_rng(0))
    np.testing.assert_allclose(found[:3], [0.5, 0.5, 0])
    assert np.isnan(found[3])


def test_a_map_is_brought_to_the_part_of_the_photo_that_the_network_saw() -> None:
    found = on_grid(np.ones((2, 2), np.float32), Placement((12, 0, 28, 20)), (20, 40))
    # Columns 4 to 9 of 14 have their centres, 4.5 to 9.5, in the crop from 4.2 to 9.8.
    wanted = np.zeros((14, 14))
    wanted[:, 4:10] = 1
    np.testing.assert_allclose(found, wanted)


def test_photos_that_became_wrong_and_right_are_told(compared: seewhy.NetworkComparison) -> None:
    numbers = [
        sorted(int(Path(compared.paths[one]).stem) for one in places)
        for places in (compared.lost, compared.gained)
    ]
    assert numbers == [list(range(6, 14)), [14, 15]]
    assert (compared.accuracy.first, compared.accuracy.second) == (18, 12)
    assert compared.accuracy.p == pytest.approx(112 / 1024)
    dogs, cats = compared.classes
    assert (dogs.name, dogs.accuracy.lost, dogs.accuracy.gained) == ("dog", 8, 0)
    assert dogs.p == pytest.approx(2 * 2 / 256)  # two classes, two sides, eight tails
    assert (cats.name, cats.accuracy.lost, cats.accuracy.gained, cats.p) == ("cat", 0, 2, 1.0)
    assert compared.findings[0].text == (
        "'bluish' gets 12 of 20 photos right and 'honest' 18: -30.0 points (-56.0 to +1.4; "
        "McNemar's exact test: p = 0.109), which may be chance."
    )
    assert (
        compared.findings[1].text == "'bluish' is clearly worse on 'dog' (4 right for 12, of 12)."
    )
    assert compared.findings[1].tone == "bad"
    assert compared.verdict == (
        "Neither network is more often right for sure. 8 photos became wrong and 2 right, and the "
        "heat moved in 2 of 20."
    )


def test_photos_whose_heat_moved_are_told(compared: seewhy.NetworkComparison) -> None:
    moved = sorted(int(Path(compared.paths[one]).stem) for one in compared.moved)
    assert moved == [14, 15]
    # To the second network these cats are 50 red on the left, and 255 blue on the right.
    shared = 50 / (50 + 255)
    by_number = {int(Path(path).stem): place for place, path in enumerate(compared.paths)}
    assert compared.overlap[by_number[14]] == pytest.approx(shared, rel=1e-4)
    assert compared.overlap[by_number[0]] == pytest.approx(1)
    # Its other photos: six that are red on the left, and one like itself; alike with the first.
    assert compared.usual[by_number[14]] == pytest.approx((1 + (6 * shared + 1) / 7) / 2, rel=1e-4)
    assert compared.heat_of_changed is not None
    assert compared.heat_of_changed.mean == pytest.approx((8 + 2 * shared) / 10 - 1, rel=1e-4)


def test_a_network_beside_itself_has_changed_nothing(photos: Path) -> None:
    found = seewhy.compare_networks(photos, classifier(honest()), classifier(honest()))
    assert (found.first.name, found.second.name) == ("honest (1)", "honest (2)")
    assert len(found.lost) == len(found.gained) == len(found.moved) == 0
    np.testing.assert_allclose(found.overlap[np.isfinite(found.overlap)], 1)
    assert found.accuracy.p == 1


def test_the_numbers_are_saved_beside_the_page(
    compared: seewhy.NetworkComparison, tmp_path: Path
) -> None:
    page, numbers = compared.save(tmp_path / "comparison.html")
    text = page.read_text("utf-8")
    for title in ("How often each is right", "Whose heat moved", "Wrong with the first"):
        assert title in text
    told = json.loads(numbers.read_text("utf-8"))
    assert (told["accuracy"]["lost"], told["accuracy"]["gained"]) == (8, 2)
    assert {Path(one["path"]).stem for one in told["moved"]} == {"14", "15"}
    assert told["gained"][0]["first"]["found"] == "dog"


def test_its_pictures_are_painted_before_it_is_printed(
    compared: seewhy.NetworkComparison, tmp_path: Path
) -> None:
    page, _ = compared.save(tmp_path / "comparison.html")
    paper = tmp_path / "paper.pdf"
    subprocess.run(
        [chromium(), "--headless", *ARGUMENTS, f"--print-to-pdf={paper}", page.as_uri()],
        check=True, timeout=120, capture_output=True,
    )  # fmt: skip
    painted = paper.read_bytes().count(b"/Subtype /Image")
    assert painted >= page.read_text("utf-8").count("<canvas") > 0


def test_two_models_are_compared_from_the_command_line(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = [word for name in NAMES for word in ("--model", f"python:{name}")]
    own = ["--labels", "cat,dog", "--preprocess", "unit", "--method", "cam"]
    out = ["--out", str(tmp_path / "two.html")]
    assert main(["report", str(photos), *models, *own, *out]) == 0
    assert "12 of 20 photos right" in capsys.readouterr().out
    assert (tmp_path / "two.html").exists()
    assert main(["report", str(photos), *models, *own, *out, "--boxes", "b.json"]) == 1
    assert "A comparison of two models has no --boxes." in capsys.readouterr().err
    assert main(["report", str(photos), *models, "--model", "resnet18"]) == 1
    assert "3 were named" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"true_labels": "none"}, "The photos have no labels, and networks are compared"),
        ({"classes": ["cat"]}, r"explains the true class of each photo. Leave classes=... out."),
        ({"method": "eigen-cam"}, "'eigen-cam' has one map per photo, whatever the class"),
    ],
)
def test_what_cannot_be_compared_is_told(
    photos: Path, given: dict[str, object], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        seewhy.compare_networks(photos, classifier(honest()), classifier(bluish()), **given)
