"""Classes are found by name, WordNet id and index; labels are read from lists and files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from seewhy.classifier.labels import Labels, find_class, imagenet_labels, labels_for, read_labels
from seewhy.errors import OptionError, UnknownClass


def find(query: str | int) -> int:
    return find_class(query, imagenet_labels(), network="vgg16")


def test_imagenet_has_a_thousand_classes_with_their_wordnet_ids_in_the_order_of_ilsvrc() -> None:
    labels = imagenet_labels()
    assert len(labels.names) == len(labels.wordnet_ids) == len(labels.synonyms) == 1000
    assert len(set(labels.wordnet_ids)) == 1000
    assert list(labels.wordnet_ids) == sorted(labels.wordnet_ids)  # ILSVRC sorted them by id
    assert all(re.fullmatch("n[0-9]{8}", identity) for identity in labels.wordnet_ids)
    for index, identity, name in (
        (0, "n01440764", "tench"),
        (285, "n02124075", "Egyptian cat"),
        (388, "n02510455", "giant panda"),
        (536, "n03216828", "dock"),
        (839, "n04366367", "suspension bridge"),
        (999, "n15075141", "toilet tissue"),
    ):
        assert (labels.wordnet_ids[index], labels.names[index]) == (identity, name)


@pytest.mark.parametrize(
    "query",
    ["Egyptian cat", "egyptian_cat", "EGYPTIAN-CAT", " Egyptian  cat ", "n02124075", "285", 285],
)
def test_a_class_is_found_by_name_wordnet_id_or_index(query: str | int) -> None:
    assert find(query) == 285


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("giant panda", 388),
        ("tank suit", 639),
        ("Cardigan", 264),
        ("cardigan", 474),
        ("partridge", 86),  # its own name goes before the ruffed grouse's synonym
        ("jack-o'-lantern", 607),
        ("jack-o’-lantern", 607),
        ("black_and_tan_coonhound", 165),
    ],
)
def test_names_with_relatives_lead_to_the_right_class(query: str, index: int) -> None:
    assert find(query) == index


def test_a_name_of_two_classes_is_an_error_that_lists_them() -> None:
    with pytest.raises(UnknownClass) as caught:
        find("crane")
    assert str(caught.value) == (
        "'crane' is the name of 2 classes of 'vgg16': 134 (n02012849, crane bird) and 517 "
        "(n03126707, crane machine). Select one of them by its index."
    )
    with pytest.raises(UnknownClass) as caught:
        find("panda")  # a synonym of both
    assert str(caught.value) == (
        "'panda' is the name of 2 classes of 'vgg16': 387 (n02509815, red panda, panda, bear cat, "
        "cat bear, Ailurus fulgens) and 388 (n02510455, panda, panda bear, coon bear, Ailuropoda "
        "melanoleuca). Select one of them by its index."
    )
    assert (find("crane bird"), find("crane machine")) == (134, 517)
    assert (find("maillot tights"), find("tank suit")) == (638, 639)


def test_an_unknown_class_is_an_error_with_the_nearest_names() -> None:
    with pytest.raises(UnknownClass) as caught:
        find("suspention bridge")
    assert str(caught.value) == (
        "'vgg16' has no class 'suspention bridge'. It has 1000 classes; the nearest names are "
        "'suspension bridge' and 'mountain bike'. "
        "Select one by name, by WordNet id or by index, 0 to 999."
    )


@pytest.mark.parametrize("query", [1000, -1, "1000"])
def test_an_index_out_of_range_is_an_error_with_the_range(query: str | int) -> None:
    with pytest.raises(UnknownClass) as caught:
        find(query)
    assert str(caught.value) == (
        f"'vgg16' has no class '{query}'. It has 1000 classes. "
        "Select one by name, by WordNet id or by index, 0 to 999."
    )


def test_a_network_without_classes_says_so() -> None:
    labels = labels_for(None, classes=None, network="encoder")
    with pytest.raises(UnknownClass) as caught:
        find_class("cat", labels, network="encoder")
    assert str(caught.value) == (
        "'encoder' has no class 'cat', nor any class: its output is not one row of scores per "
        "photo. Explain it with a target of your own: explain(..., target=function)."
    )


def test_a_label_of_digits_goes_before_an_index() -> None:
    labels = Labels(("1", "0", "2"))
    assert [find_class(query, labels, network="digits") for query in ("0", 0, "2")] == [1, 0, 2]


def test_classes_without_labels_are_numbered() -> None:
    labels = labels_for(None, classes=3, network="own")
    assert labels.names == ("class 0", "class 1", "class 2")
    assert find_class("class 2", labels, network="own") == 2


@pytest.mark.parametrize(
    "content",
    [
        "cat\nbig dog\n\n",
        "\ufeffcat\r\nbig dog\r\n",
        '["cat", "big dog"]',
        '{"0": "cat", "1": "big dog"}',
        '{"big dog": 1, "cat": 0}',
        '{"1": ["n2", "big_dog"], "0": ["n1", "cat"]}',
    ],
)
def test_labels_are_read_one_per_line_or_as_json(tmp_path: Path, content: str) -> None:
    path = tmp_path / "labels.txt"
    path.write_text(content, encoding="utf-8", newline="")
    labels = read_labels(path)
    assert labels.names == ("cat", "big dog")
    assert labels.wordnet_ids == (("n1", "n2") if "n1" in content else ())


@pytest.mark.parametrize("content", ["{}", '[["a"]]', "[1, 2]", '{"1": "cat"}', "[", '{"a": 2}'])
def test_json_that_holds_no_labels_is_an_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "labels.json"
    path.write_text(content)
    with pytest.raises(OptionError) as caught:
        read_labels(path)
    assert str(caught.value) == (
        f"The labels {path} are JSON, but neither a list of names nor a table of them by index 0, "
        "1, 2, ... Write a JSON list, or one label per line."
    )


def test_a_missing_or_binary_file_of_labels_is_an_error(tmp_path: Path) -> None:
    missing = tmp_path / "none.txt"
    with pytest.raises(OptionError) as caught:
        read_labels(missing)
    assert str(caught.value) == (
        f"The labels {missing} cannot be read: No such file or directory. Give a text file "
        "with one label per line, a table (.csv) or JSON file, the names themselves (cat,dog), or "
        "'imagenet'."
    )
    binary = tmp_path / "labels.bin"
    binary.write_bytes(b"\x89PNG\xff\xfe\x00")
    with pytest.raises(OptionError) as caught:
        read_labels(binary)
    assert str(caught.value) == (
        f"The labels {binary} are not text in UTF-8. Give a text file with one label per line, a "
        "table (.csv) or JSON file, the names themselves (cat,dog), or 'imagenet'."
    )


def test_the_count_of_labels_must_be_that_of_the_classes(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(["cat", "dog"]))
    with pytest.raises(OptionError) as caught:
        labels_for(path, classes=3, network="own")
    assert str(caught.value) == (
        f"'own' has 3 classes, but there are 2 labels in {path}. "
        "Give one label per output, in the order of the outputs."
    )
    with pytest.raises(OptionError) as caught:
        labels_for(["cat"], classes=2, network="own")
    assert str(caught.value) == (
        "'own' has 2 classes, but there are 1 labels. Give one label per output, in the order of "
        "the outputs (for one sigmoid output two: of the low and of the high value)."
    )
    with pytest.raises(OptionError) as caught:
        labels_for("imagenet", classes=None, network="own")
    assert str(caught.value) == (
        "'own' has no classes to label: its output is not one row of scores per photo. "
        "Leave the labels out."
    )


def test_a_label_may_begin_with_a_bracket(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("[unknown]\n{dog}\ncat\n", "utf-8")
    assert read_labels(path).names == ("[unknown]", "{dog}", "cat")


def test_only_line_ends_separate_labels(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes("a\u2028b\r\nc\x0bd\re\x85f\n\n g ".encode())
    assert read_labels(path).names == ("a\u2028b", "c\x0bd", "e\x85f", "g")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, '["a', '{"0": "a"', "[1, 2]"])
def test_json_that_is_damaged_or_deep_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "labels.txt"
    path.write_text(text)
    with pytest.raises(OptionError, match=r"are JSON, but neither a list of names nor a table"):
        read_labels(path)


@pytest.mark.parametrize("query", ["-1", "- 1", "_1", "‐1"])
def test_a_negative_index_is_not_the_positive_one(query: str) -> None:
    with pytest.raises(UnknownClass):
        find(query)
