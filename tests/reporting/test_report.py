"""From photos, or a run, to findings; and what is said of bad input."""

from __future__ import annotations

import contextlib
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import seewhy
from seewhy.datasets.manifest import find_items
from seewhy.datasets.question import ModelArguments
from seewhy.datasets.reading import Run
from seewhy.errors import ModelError, OptionError, UnknownClass
from seewhy.explaining.request import Request
from seewhy.photos import decoding
from seewhy.photos.fitting import Fit
from seewhy.reporting import shelf
from seewhy.reporting.gallery import Gallery
from seewhy.reporting.observations import FINEST_GRID, coarse
from seewhy.reporting.report import report_on_items
from seewhy.reporting.settings import ReportSettings
from tests.reporting.made import (
    LABELS,
    NAME,
    SETTINGS,
    cheat,
    cheating_classifier,
    draw,
    make_photos,
)

BEST = Request.single(top=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Photos of two classes, some with a tag; three swapped labels, one wrong by a tag, one bad."""
    root, tagged = make_photos(tmp_path_factory.mktemp("made") / "photos", each=150, tags=24)
    generator = np.random.default_rng(9)
    for number in range(3):
        Image.fromarray(draw("cold", generator, value=255)).save(
            root / "warm" / f"swapped {number}.png"
        )
    Image.fromarray(draw("cold", generator, tag=True)).save(root / "cold" / "tagged.png")
    (root / "cold" / "bad.png").write_bytes(b"not a photo")
    return root, tagged


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Photos that are too few to be searched for shortcuts."""
    return make_photos(tmp_path_factory.mktemp("few") / "photos", each=12, tags=4)


@contextlib.contextmanager
def decodes() -> Iterator[Counter[str]]:
    """Count how often each file is decoded."""
    decoded: Counter[str] = Counter()
    decode = decoding.decode_image

    def counted(image: Image.Image, name: str, **options: Any) -> np.ndarray:
        decoded[name] += 1
        return decode(image, name, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "decode_image", counted)
        yield decoded


@pytest.fixture(scope="module")
def counted(
    folder: tuple[Path, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[seewhy.Report, Counter[str]]:
    """A report whose page is written, and how often each file was decoded for both."""
    with decodes() as decoded:
        report = seewhy.report(folder[0], cheating_classifier())
        report.save(tmp_path_factory.mktemp("page") / "report.html")
    return report, decoded


@pytest.fixture(scope="module")
def found(counted: tuple[seewhy.Report, Counter[str]]) -> seewhy.Report:
    return counted[0]


@pytest.fixture(scope="module")
def run(folder: tuple[Path, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Run:
    return seewhy.batch(
        NAME, folder[0], tmp_path_factory.mktemp("runs") / "run", top=1, settings=SETTINGS,
        true_labels="folders", descriptors=True,
    )  # fmt: skip


def test_the_report_says_first_what_matters(found: seewhy.Report) -> None:
    texts = [one.text for one in found.findings]
    assert texts[0].startswith("For 25 of 151 'warm' photos the network relies on the lower left ")
    assert "The network gets 300 of 304 photos right: 98.7% (96.7% to 99.5%)." in texts
    assert (
        "4 photos may have a wrong label: the network is surer of another class than it usually is."
    ) in texts
    assert "24 right answers have their heat in the wrong place: 24 in a confirmed shortcut." in (
        texts
    )
    assert not [text for text in texts if text.startswith("It takes 'warm' for 'cold'")]
    tones = [one.tone for one in found.findings]
    assert tones == sorted(tones, key=["bad", "plain", "good"].index)
    assert all(one.next for one in found.findings if one.section == "shortcuts")
    assert found.verdict.startswith(
        "The network is right in 98.7% (96.7% to 99.5%) of 304 photos. Found: 1 confirmed "
    )
    assert found.notes == ("1 of 305 photos could not be explained, and are not in the numbers.",)


def test_training_photos_are_searched_for_shortcuts_and_have_no_part_in_the_rest(
    folder: tuple[Path, list[str]],
) -> None:
    items = [
        item for item in find_items(folder[0], true_labels="folders") if "bad" not in item.path
    ]
    held, trained = items[::3], [item for number, item in enumerate(items) if number % 3]
    found = report_on_items(
        cheating_classifier(), held, BEST, ReportSettings(changes=0), trained=trained
    )
    assert found.accuracy is not None
    assert found.accuracy.of == len(held)
    assert sum(one.recall.of for one in found.classes) == len(held)
    confirmed = [one for one in found.shortcuts if one.verdict == "confirmed"]
    assert [len(one.suspect.members) for one in confirmed] == [25]
    assert not found.observations.mistakes[found.observations.trained].any()
    assert found.facts["trained on"] == (
        f"none of these photos; {len(trained)} training photos were searched for shortcuts as well"
    )


def test_each_photo_is_decoded_once_for_a_report_and_its_page(
    counted: tuple[seewhy.Report, Counter[str]],
) -> None:
    report, decoded = counted
    assert report.changes is not None
    assert report.shortcuts  # which were tested on their pixels
    assert [decoded[path] for path in report.observations.paths] == [1] * 304


def test_each_photo_is_decoded_once_where_the_run_is_kept_too(
    few: tuple[Path, list[str]], tmp_path: Path
) -> None:
    with decodes() as decoded:
        report = seewhy.report(few[0], cheating_classifier(), run=tmp_path / "run", changes=20)
        report.save(tmp_path / "report.html")
    assert report.changes is not None
    assert len(report.changes.photos) == 20
    assert [decoded[path] for path in report.observations.paths] == [1] * 24


def test_photos_for_which_there_is_no_room_are_decoded_again(
    few: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = sorted(map(str, few[0].rglob("*.png")))[:4]
    fit, places = Fit((8, 8)), np.arange(4)
    expected = Gallery(paths, fit).fitted(places)
    monkeypatch.setattr(shelf, "ROOM", 2 * 8 * 8 * 3)
    gallery = Gallery(paths, fit, shelf.Shelf(sample=paths[3:]))
    with decodes() as decoded:
        assert len(gallery.thumbnails(places.tolist())) == 4
        np.testing.assert_array_equal(gallery.fitted(places), expected)
    assert sorted(decoded.values()) == [1, 1, 1, 2]
    assert decoded[paths[3]] == 1


def test_classes_that_are_too_small_are_named_and_get_no_tick(
    few: tuple[Path, list[str]],
) -> None:
    found = seewhy.report(few[0], cheating_classifier(), changes=0)
    (finding,) = (one for one in found.findings if one.section == "shortcuts")
    assert finding.tone == "plain"
    assert finding.text == (
        "2 of 2 classes were not searched for shortcuts: fewer than 50 photos were taken for each, "
        "and a group that can be told from chance has 10, and at most 20% of the class."
    )
    assert found.search is not None
    assert sorted(found.search.too_small) == ["cold", "warm"]


def test_the_shortcut_is_the_tagged_photos(
    found: seewhy.Report, folder: tuple[Path, list[str]]
) -> None:
    shortcut = found.shortcuts[-1]
    assert [one.verdict for one in found.shortcuts] == ["confirmed"]
    searched = found.searched[1]
    paths = {found.observations.paths[searched.photos[one]] for one in shortcut.suspect.members}
    assert paths == {*folder[1], str(folder[0] / "cold" / "tagged.png")}
    assert (shortcut.verdict, shortcut.place) == ("confirmed", "the lower left corner")


def test_swapped_labels_are_the_doubtful_ones(found: seewhy.Report) -> None:
    names = {Path(found.observations.paths[one]).name for one in found.mislabelled}
    assert names == {"swapped 0.png", "swapped 1.png", "swapped 2.png", "tagged.png"}
    assert found.confident.tolist() == []


def test_a_run_gives_the_same_report(found: seewhy.Report, run: Run) -> None:
    with decodes() as decoded:
        again = seewhy.report(run.folder.place, NAME, settings=SETTINGS)
    assert max(decoded[path] for path in again.observations.paths) == 1
    ours, theirs = again.as_dict(), found.as_dict()
    for facts in (ours["facts"], theirs["facts"]):
        facts.pop("photos")
        facts.pop("model")
    assert json.dumps(ours) == json.dumps(theirs)


def test_a_run_may_be_kept(few: tuple[Path, list[str]], tmp_path: Path) -> None:
    kept = seewhy.report(few[0], cheating_classifier(), run=tmp_path / "run", method="cam")
    again = seewhy.report(tmp_path / "run", cheating_classifier())
    assert again.as_json() == kept.as_json()


def test_a_network_that_is_not_in_a_file_is_given_again(
    folder: tuple[Path, list[str]], tmp_path: Path
) -> None:
    seewhy.batch(
        cheating_classifier(), folder[0], tmp_path / "run", top=1, true_labels="folders",
        descriptors=True,
    )  # fmt: skip
    alone = seewhy.report(tmp_path / "run")
    assert [one.verdict for one in alone.shortcuts] == ["not tested"]
    assert alone.notes[0] == (
        "Suspects and changes were not tested: the run was made with a network that is not in "
        "a file. Give the network, too: seewhy.report(run, classifier)."
    )
    again = seewhy.report(tmp_path / "run", cheating_classifier())
    assert [one.verdict for one in again.shortcuts] == ["confirmed"]


def test_another_network_than_the_runs_is_refused(run: Run) -> None:
    other = cheat()
    other.weights = other.weights * 2
    message = r"^'cheat' is not the network that the run was made with: "
    with pytest.raises(ModelError, match=message):
        seewhy.report(run, seewhy.Classifier(other, **SETTINGS))  # type: ignore[arg-type]


def test_a_network_that_is_gone_leaves_suspects_untested(run: Run) -> None:
    model = ModelArguments("a.keras", {}, run.folder.place)
    found = seewhy.report(replace(run, question=replace(run.question, model=model)))
    assert [one.verdict for one in found.shortcuts] == ["not tested"]
    assert found.notes[0].startswith(
        "Suspects and changes could not be tested on the network: The model file 'a.keras' does "
        "not exist."
    )


def test_code_that_a_run_names_is_not_started(run: Run) -> None:
    found = seewhy.report(run)
    assert [one.verdict for one in found.shortcuts] == ["not tested"]
    assert found.notes[0] == (
        "Suspects and changes could not be tested on the network: The run names the network "
        f"'{NAME}', which is code, and a run may come from anybody: seewhy does not start it. Give "
        f"the network yourself: --model {NAME}"
    )


def test_without_labels_there_are_clusters_and_maps_only(few: tuple[Path, list[str]]) -> None:
    found = seewhy.report(few[0], cheating_classifier(), true_labels="none")
    assert found.accuracy is None
    assert (found.pairs, found.classes, found.mislabelled.tolist()) == ((), (), [])
    assert [one.photos for one in found.class_heat.values()] == [12, 12]
    assert found.notes[0] == (
        "The photos have no labels: this report has clusters and mean maps only, and cannot say "
        "where the network is wrong. Put photos of a class into a folder of its name, or name a "
        "column of labels with --true-labels."
    )


def test_photos_are_listed_once(
    few: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules["seewhy.reporting.report"]
    listed = []

    def find(*arguments: Any, **options: Any) -> Any:
        listed.append(arguments)
        return find_items(*arguments, **options)

    monkeypatch.setattr(module, "find_items", find)
    seewhy.report(few[0], cheating_classifier(), changes=0)
    assert len(listed) == 1


def test_photos_in_one_folder_have_no_labels(few: tuple[Path, list[str]]) -> None:
    found = seewhy.report(few[0] / "warm", cheating_classifier())
    assert found.accuracy is None


def test_one_class_only_is_said(few: tuple[Path, list[str]]) -> None:
    found = seewhy.report(few[0] / "warm", cheating_classifier(), true_labels="folders")
    assert found.notes == (
        "All labelled photos are of one class, 'warm': the accuracy is that class's recall, and "
        "other classes' photos that are taken for it are not seen.",
        "Harmless changes were not tried: at least 20 photos are needed that can still be read.",
    )


def test_labels_that_the_network_lacks_are_named(tmp_path: Path) -> None:
    make_photos(tmp_path, each=2, tags=0)
    (tmp_path / "warm").rename(tmp_path / "hot")
    with pytest.raises(UnknownClass) as caught:
        seewhy.report(tmp_path, cheating_classifier())
    assert str(caught.value) == (
        "Labels of the photos are not classes of 'cheat': 'hot'. Rename them to its classes (by "
        "name, WordNet id or index), or leave the labels out."
    )


def refused(*arguments: Any, **options: Any) -> str:
    with pytest.raises(OptionError) as caught:
        seewhy.report(*arguments, **options)
    return str(caught.value)


def test_a_method_without_maps_of_classes_is_refused(
    folder: tuple[Path, list[str]], tmp_path: Path
) -> None:
    message = (
        "'eigen-cam' has one map per photo, whatever the class, and a report compares classes. "
        "Choose a method with maps of classes, such as cam or grad-cam."
    )
    classifier = cheating_classifier()
    assert refused(folder[0], classifier, method="eigen-cam") == message
    assert refused(folder[0], classifier, method="eigen-cam", run=tmp_path / "run") == message
    run = seewhy.batch(classifier, folder[0] / "warm", tmp_path / "run", method="eigen-cam")
    assert refused(run) == message


def test_a_run_of_named_classes_is_refused(folder: tuple[Path, list[str]], tmp_path: Path) -> None:
    run = seewhy.batch(cheating_classifier(), folder[0], tmp_path / "run", classes=["warm"])
    assert refused(run) == (
        f"The run in '{tmp_path / 'run'}' explains classes that were named, and a report is about "
        "the best class of each photo. Repeat the run without --class, into another folder."
    )


def test_an_unfinished_run_is_refused(folder: tuple[Path, list[str]], tmp_path: Path) -> None:
    run = seewhy.batch(cheating_classifier(), folder[0], tmp_path / "run", shard_size=80)
    next((tmp_path / "run").glob("part-00001-*")).unlink()
    assert refused(run) == (
        f"The run in '{tmp_path / 'run'}' is unfinished: 225 of 305 photos are done. Finish it "
        "first: repeat the command that started it."
    )


def test_other_wrong_uses_are_refused(folder: tuple[Path, list[str]], run: Run) -> None:
    assert refused(folder[0]) == (
        "A report on photos needs a network. Name one: --model M on the command line, "
        "classifier=... in Python."
    )
    assert refused(run, method="cam") == (
        "A run has its own labels, method and layer. Leave them out, or give photos."
    )
    assert refused(folder[0], cheating_classifier(), top=2) == (
        "A report is about the best class of each photo. Leave top=... out."
    )
    assert refused(folder[0], cheating_classifier(), workers=2) == (
        "Workers write a run. Name a folder for it: run=..., or --run FOLDER."
    )
    assert refused(folder[0], cheating_classifier(), boxes=[np.zeros((0, 4))]) == (
        "Boxes of 1 photos were given for 304 photos. Give one array for each, which may be empty."
    )


def test_nothing_that_could_be_explained_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no")
    message = refused(tmp_path, cheating_classifier())
    assert message.startswith("None of 1 photos could be explained. The first one: '")


def test_heat_outside_the_boxes_is_listed(few: tuple[Path, list[str]]) -> None:
    boxes = {
        path.name: [[4, 0, 16, 12]] if path.name < "004.png" else [[0, 0, 16, 16]]
        for path in (few[0] / "warm").glob("*.png")
    }
    file = few[0].parent / "boxes.json"
    file.write_text(json.dumps(boxes))
    found = seewhy.report(few[0] / "warm", cheating_classifier(), true_labels="folders", boxes=file)
    listed = [found.observations.paths[one.photo] for one in found.wrong_reasons]
    assert sorted(listed) == sorted(few[1])
    assert "of the heat is outside the boxes" in found.wrong_reasons[0].reason


def test_a_run_without_descriptors_says_what_is_missing(
    folder: tuple[Path, list[str]], tmp_path: Path
) -> None:
    run = seewhy.batch(
        NAME, folder[0], tmp_path / "run", top=1, settings=SETTINGS, true_labels="folders"
    )
    found = seewhy.report(run, NAME, settings=SETTINGS)
    assert found.notes[-1].startswith("The run has no descriptors, so photos are compared by where")
    places = {one.place for one in found.shortcuts if one.verdict == "confirmed"}
    assert places == {"the lower left corner"}


def test_without_scikit_learn_training_still_gets_a_report(few: tuple[Path, list[str]]) -> None:
    items = find_items(few[0], true_labels="folders")
    found = report_on_items(cheating_classifier(), items, BEST, ReportSettings(search=False))
    assert found.searched == ()
    assert found.notes[0] == (
        "Clusters and shortcuts were left out: scikit-learn is not installed. Install it, and "
        "make the report again: pip install 'seewhy[report]'"
    )


def test_maps_of_pixels_are_averaged() -> None:
    fine = np.arange(224 * 224, dtype=np.float32).reshape(224, 224)
    small = coarse(fine)
    assert small.shape == (FINEST_GRID, FINEST_GRID)
    assert small[0, 0] == pytest.approx(fine[:8, :8].mean())
    assert coarse(fine[:7, :7]).shape == (7, 7)


def test_labels_may_be_a_column_and_partial(few: tuple[Path, list[str]], tmp_path: Path) -> None:
    table = tmp_path / "list.csv"
    paths = sorted((few[0] / "warm").glob("0*.png"))[:6]
    rows = [f"{path},{LABELS[1] if number < 4 else ''}" for number, path in enumerate(paths)]
    table.write_text("path,animal\n" + "\n".join(rows))
    found = seewhy.report(table, cheating_classifier(), true_labels="animal")
    assert found.accuracy is not None
    assert found.accuracy.of == 4
    assert found.notes[0] == (
        "2 of 6 photos have no label, and are left out where right and wrong matter."
    )
