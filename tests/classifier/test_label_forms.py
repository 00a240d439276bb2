"""The names of classes are read from every form in which they come, and never out of order."""

from __future__ import annotations

import enum
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

from seewhy.classifier.labels import Labels, labels_from
from seewhy.errors import OptionError


class Animal(enum.Enum):
    """As a data set's own code may name its classes."""

    dog = 1
    cat = 0


def names(source: Any) -> tuple[str, ...]:
    labels = labels_from(source)
    assert labels is not None
    return labels.names


def form_of(source: Any) -> str:
    """A name of a source that is the same in every process: pytest runs in several."""
    return re.sub(r"0x[0-9a-f]+", "", repr(sorted(source) if isinstance(source, set) else source))


@pytest.mark.parametrize("control", ["\u202e", "\u2066", "\x1b", "\x9b", "\n", "\u2028"])
def test_a_name_has_no_codes_that_change_how_others_are_read(control: str) -> None:
    (name,) = names([f"c{control}at"])
    assert name in ("c at", "c\ufffdat")


@pytest.mark.parametrize(
    "source",
    [
        ["cat", "dog"],
        (one for one in ("cat", "dog")),
        {0: "cat", 1: "dog"},
        {1: "dog", 0: "cat"},
        {"1": "dog", "0": "cat"},
        {np.int64(1): "dog", np.int64(0): "cat"},
        {"dog": 1, "cat": 0},
        {"dog": np.int64(1), "cat": np.int64(0)},
        {0: {"name": "cat"}, 1: {"name": "dog"}},
        [{"id": 1, "name": "dog"}, {"id": 0, "name": "cat"}],
        [{"class_id": "1", "class": "dog"}, {"class_id": "0", "class": "cat"}],
        [{"label": 1, "title": "dog"}, {"label": 0, "title": "cat"}],
        [{"name": "cat"}, {"name": "dog"}],
        [(1, "dog"), (0, "cat")],
        list({"dog": 1, "cat": 0}.items()),
        np.array(["cat", "dog"]),
        np.array([b"cat", b"dog"]),
        np.array([["cat"], ["dog"]], dtype=object),
        np.array([["1", "dog"], ["0", "cat"]]),
        pandas.Series(["cat", "dog"]),
        pandas.Series(["cat", "dog"], index=[5, 9]),
        pandas.Series({"dog": 1, "cat": 0}),
        pandas.Series(["dog", "cat"], index=pandas.Index([1, 0], name="id")),
        pandas.Index(["cat", "dog"]),
        pandas.Categorical(["dog", "cat", "dog"]).categories,
        pandas.DataFrame({"name": ["dog", "cat"], "id": [1, 0]}),
        pandas.DataFrame({"name": ["dog", "cat"], "id": [1, 0]}).set_index("id"),
        pandas.DataFrame({"breed": ["cat", "dog"]}),
        {"model_type": "vit", "id2label": {"1": "dog", "0": "cat"}, "label2id": {}},
        {"architecture": "resnet18", "num_classes": 2, "label_names": ["cat", "dog"]},
        {"categories": [{"id": 1, "name": "dog"}, {"id": 0, "name": "cat"}], "images": []},
        Animal,
        sorted(Animal, key=lambda one: one.value),
        "cat,dog",
        " cat , dog",
        '["cat", "dog"]',
    ],
    ids=form_of,
)
def test_names_are_read_in_the_order_of_the_outputs(source: Any) -> None:
    assert names(source) == ("cat", "dog")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("labels.txt", "0 cat\n1 dog\n"),
        ("labels.txt", "1 dog\n0 cat\n"),
        ("labels.txt", "0: cat\n1: dog"),
        ("labels.txt", "cat 0\ndog 1"),
        ("labels.txt", "dog,1\r\ncat,0\r\n"),
        ("labels.txt", "{0: 'cat',\n 1: 'dog'}"),
        ("labels.csv", "cat\ndog\n"),
        ("labels.csv", "id,name\n1,dog\n0,cat\n"),
        ("labels.csv", "Name;Class ID\ndog;1\ncat;0\n"),
        ("labels.tsv", "name\tgenus\ncat\tFelis\ndog\tCanis\n"),
        ("labels.csv", "0,cat\n1,dog\n"),
        ("labels.csv", "dog,1\ncat,0\n"),
        ("config.json", json.dumps({"id2label": {"1": "dog", "0": "cat"}, "hidden_size": 8})),
        ("metadata.json", json.dumps({"tfjsVersion": "1.3.1", "labels": ["cat", "dog"]})),
        ("labels.json", json.dumps([{"id": 1, "name": "dog"}, {"id": 0, "name": "cat"}])),
    ],
)
def test_names_are_read_from_files_of_every_form(tmp_path: Path, file: str, content: str) -> None:
    (tmp_path / file).write_text(content, "utf-8", newline="")
    assert names(tmp_path / file) == names(str(tmp_path / file)) == ("cat", "dog")


@pytest.mark.parametrize(
    "lines",
    [
        "1 euro\n2 euro",  # not 0, 1: the numbers are part of the names
        "class 0\nclass 1",  # alike without their numbers
        "4 doors\n5 doors",
        "tench, Tinca tinca\ncock",
    ],
)
def test_numbers_that_are_no_places_are_part_of_a_name(tmp_path: Path, lines: str) -> None:
    (tmp_path / "labels.txt").write_text(lines)
    assert names(tmp_path / "labels.txt") == tuple(lines.split("\n"))


def test_wordnet_ids_of_lines_and_tables_are_kept(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("n01440764 tench\nn01443537 goldfish\n")
    (tmp_path / "words.csv").write_text("wnid,name\nn01440764,tench\nn01443537,goldfish\n")
    for file in ("words.txt", "words.csv"):
        assert labels_from(tmp_path / file) == Labels(
            ("tench", "goldfish"), ("n01440764", "n01443537")
        )


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ({"cat", "dog"}, "a set has no order"),
        ({1: "cat", 2: "dog"}, "its 2 numbers (1 to 2) are not 0 to 1, each once"),
        ({"cat": 0, "dog": 0}, "its 2 numbers (0 to 0) are not 0 to 1, each once"),
        ({"cat": "dog"}, "its keys (cat) are neither numbers nor names with a number each"),
        ([{"a": "x", "b": "y"}], "none of its columns (a, b) is called 'name'"),
        ([("cat", "dog")], "its pairs have neither a number nor a WordNet id each"),
        (["cat", None], "it has None where a name should be"),
        (["cat", 0.5], "it has something of type float: 0.5 where a name should be"),
        (["cat", " "], "one of its names is empty"),
        ([], "it has no names"),
        (
            pandas.Series(["dog", "cat"], index=[1, 0]),
            "its index has the numbers in another order than its rows: give column.tolist() or "
            "column.sort_index()",
        ),
    ],
    ids=form_of,
)
def test_what_cannot_be_put_in_order_is_refused(source: Any, why: str) -> None:
    with pytest.raises(OptionError) as caught:
        labels_from(source)
    assert str(caught.value) == (
        f"The labels cannot be read from a {type(source).__name__}: {why}. Give a list of names "
        "in the order of the outputs, or a table of names by number or of numbers by name, 0, 1, "
        "2, ..."
    )


def test_a_yaml_file_is_not_read_as_lines(tmp_path: Path) -> None:
    (tmp_path / "data.yaml").write_text("names:\n  0: cat\n")
    with pytest.raises(OptionError) as caught:
        labels_from(tmp_path / "data.yaml")
    assert str(caught.value) == (
        f"The labels {tmp_path / 'data.yaml'} are YAML, which seewhy does not read. Write the "
        "names into a text file, one label per line, or into JSON."
    )


def test_a_missing_file_is_not_taken_for_a_list() -> None:
    with pytest.raises(OptionError, match="cannot be read: No such file or directory"):
        labels_from("missing,labels.txt")


def test_line_breaks_and_control_codes_in_a_name_become_blanks() -> None:
    assert names(["hot\r\ndog", "a\tcat", "big \x07 bear\n", "sea\u2028lion"]) == (
        "hot dog",
        "a cat",
        "big bear",
        "sea lion",
    )


@pytest.mark.parametrize("name", ["a.toml", "A.XML", "a.xlsx", "a.npy", "a.pkl", "a.pbtxt", "a.py"])
def test_files_whose_lines_are_no_names_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("cat\ndog\n")
    with pytest.raises(OptionError, match=r"which seewhy does not read\. Write the names into"):
        labels_from(path)
