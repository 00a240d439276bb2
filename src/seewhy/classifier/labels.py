"""The names of a network's classes: read them, and find a class by name, WordNet id or index.

ImageNet's 1,000 classes come with the package (`data/imagenet_classes.csv`): their index in every
network trained on ILSVRC-2012, their WordNet 3.0 id, the first lemma of the synset as the name
and the other lemmas as synonyms.
"""

from __future__ import annotations

import ast
import csv
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.resources import files
from os import PathLike
from pathlib import Path
from typing import Any

from seewhy.classifier.label_forms import Found, names_in, names_in_csv, names_in_lines
from seewhy.errors import OptionError, UnknownClass, nearest_names
from seewhy.files import is_file, parse_json, read_text

IMAGENET = "imagenet"
"""The word for ImageNet's 1,000 labels."""


LABELS_ADVICE = (
    "Give a text file with one label per line, a table (.csv) or JSON file, the names themselves "
    "(cat,dog), or 'imagenet'."
)


@dataclass(frozen=True)
class Labels:
    """The names of one network's classes, in the order of its outputs.

    Attributes:
        names: one per class, as shown to people: 'Egyptian cat'.
        wordnet_ids: one per class, 'n02124075'; empty if the classes have none.
        synonyms: further names of each class that select it; or empty.
        given: False if the classes have no names ('class 0', 'class 1', ...).
        origin: the file that they are from, for messages: ' in labels.txt'; or empty.
    """

    names: tuple[str, ...]
    wordnet_ids: tuple[str, ...] = ()
    synonyms: tuple[tuple[str, ...], ...] = ()
    given: bool = True
    origin: str = field(default="", compare=False)


LabelSource = str | PathLike[str] | Labels | Mapping[Any, Any] | Iterable[Any]
"""What labels are given as: a file, 'imagenet', or any of the forms of `label_forms`."""


@lru_cache(maxsize=1)
def imagenet_labels() -> Labels:
    """Return ImageNet's 1,000 classes with their WordNet ids and synonyms."""
    text = files("seewhy").joinpath("data/imagenet_classes.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    return Labels(
        names=tuple(row["name"] for row in rows),
        wordnet_ids=tuple(row["wordnet_id"] for row in rows),
        synonyms=tuple(tuple(filter(None, row["synonyms"].split("|"))) for row in rows),
    )


def labels_from(source: LabelSource | None) -> Labels | None:
    """Return the labels that a list, a table, a file or 'imagenet' has; None for None.

    Text that names no file is a list itself: 'cat,dog', or JSON.

    Raises:
        OptionError: the file cannot be read, or the labels are in no known form.
    """
    if source is None or isinstance(source, Labels):
        return source
    if isinstance(source, str | PathLike):
        if source == IMAGENET:
            return replace(imagenet_labels(), origin=" in 'imagenet'")
        if isinstance(source, str) and not is_file(source) and _is_a_list(source):
            return _labels_in_text(source, "given")
        return replace(read_labels(source), origin=f" in {source}")
    try:
        return _labels(names_in(source))
    except ValueError as error:
        raise OptionError(
            f"The labels cannot be read from a {type(source).__name__}: {error}. Give a list of "
            "names in the order of the outputs, or a table of names by number or of numbers by "
            "name, 0, 1, 2, ..."
        ) from error


def labels_for(
    source: LabelSource | None,
    *,
    classes: int | None,
    network: str,
) -> Labels:
    """Return the labels of a network with that many classes, checked against their count.

    Args:
        source: the names, in any form (`label_forms`); a file of them; 'imagenet'; or None for
            'class 0', 'class 1' and so on; a single output is called 'value'.
        classes: the network's number of classes; None if its output is not one row of scores.
        network: its name, for the error message.

    Raises:
        OptionError: there are more or fewer labels than classes, or the file contains none.
    """
    labels = labels_from(source)
    if labels is None:
        numbered = tuple(f"class {index}" for index in range(classes or 0))
        return Labels(("value",) if classes == 1 else numbered, given=False)
    if classes is None:
        raise OptionError(
            f"'{network}' has no classes to label: its output is not one row of scores per photo. "
            "Leave the labels out."
        )
    if len(labels.names) != classes:
        raise OptionError(
            f"'{network}' has {classes} classes, but there are {len(labels.names)} labels"
            f"{labels.origin}. Give one label per output, in the order of the outputs"
            + (" (for one sigmoid output two: of the low and of the high value)." * (classes == 2))
            + "." * (classes != 2)
        )
    return labels


def read_labels(path: str | PathLike[str]) -> Labels:
    """Read labels from a file: one per line, a table (.csv, .tsv), or JSON.

    JSON may be any of the forms of `label_forms`: a list, a table by number or by name (Keras's
    imagenet_class_index.json and class_indices), rows, or a configuration that contains one
    (transformers' config.json).

    Raises:
        OptionError: the file is missing, or is not in one of these forms.
    """
    foreign = _FOREIGN.get(Path(path).suffix.lower())
    if foreign is not None:
        raise OptionError(
            f"The labels {path} are {foreign}, which seewhy does not read. Write the names into a "
            "text file, one label per line, or into JSON."
        )
    text = read_text(path, what="The labels", advice=LABELS_ADVICE)
    return _labels_in_text(text, path)


_FOREIGN = {
    ending: kind
    for kind, endings in {
        "YAML": ".yaml .yml",
        "TOML": ".toml",
        "XML": ".xml",
        "HTML": ".html .htm",
        "a spreadsheet": ".xlsx .xls .ods",
        "NumPy's arrays": ".npy .npz",
        "a pickle": ".pkl .pickle",
        "a protocol buffer's text": ".pbtxt",
        "settings": ".ini .cfg",
        "code": ".py .ipynb",
    }.items()
    for ending in endings.split()
}
"""What files are, by their endings, whose lines are no names."""


def _labels_in_text(text: str, path: str | PathLike[str]) -> Labels:
    """Return the labels in a text: of a file, or given as it is."""
    if text.lstrip().startswith(("[", "{")):
        try:
            return _labels(names_in(_parsed(text)))
        except ValueError as error:
            if _is_meant_as_json(text, path):
                raise OptionError(
                    f"The labels {path} are JSON, but neither a list of names nor a table of them "
                    "by index 0, 1, 2, ... Write a JSON list, or one label per line."
                ) from error
    try:
        if path == "given":
            return _labels(names_in([name for name in text.split(",") if name.strip()]))
        if Path(path).suffix.lower() in (".csv", ".tsv"):
            return _labels(names_in_csv(text))
        # Only these end a line: str.splitlines also splits at U+2028, which may be in a name.
        return _labels(names_in_lines(re.split(r"\r\n|\r|\n", text)))
    except ValueError as error:
        raise OptionError(f"The labels {path} cannot be read: {error}. {LABELS_ADVICE}") from error


def _parsed(text: str) -> Any:
    """Parse JSON, or a table as Python writes it: {0: 'tench', 1: 'goldfish'}.

    Raises:
        ValueError: it is neither.
    """
    try:
        content = parse_json(text)
    except ValueError as error:
        try:
            content = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise error from None
    if isinstance(content, list) and all(isinstance(entry, int) for entry in content):
        raise ValueError("it has numbers only")
    return content


def _labels(names_and_ids: Found) -> Labels:
    names, ids = names_and_ids
    return Labels(tuple(names), wordnet_ids=tuple(ids))


def _is_a_list(text: str) -> bool:
    """True for 'cat,dog' and for JSON, but not for the name of a file that is missing."""
    is_path = os.sep in text or text.lower().endswith((".txt", ".json", ".csv", ".tsv"))
    return text.lstrip().startswith(("[", "{")) or ("," in text and not is_path)


def _is_meant_as_json(text: str, path: str | PathLike[str]) -> bool:
    """Distinguish damaged JSON from a list whose first label begins with a bracket: '[unused]'."""
    return str(path).endswith(".json") or bool(re.match(r'\s*[\[{]\s*(["\[{\]}\d]|$)', text))


def find_class(query: str | int, labels: Labels, *, network: str) -> int:
    """Return the index of a class given by name, WordNet id or index.

    Names match whatever their case, and whether their words are separated by spaces, underscores or
    hyphens; a class's own name takes precedence over another's synonym, and the exact spelling over
    another case ('cardigan' is the jacket, 'Cardigan' the dog).

    Raises:
        UnknownClass: no class has that name, or several do.
    """
    count = len(labels.names)
    if not isinstance(query, str):
        if 0 <= query < count:
            return int(query)
        raise _unknown(str(int(query)), labels, network)
    name = _plain(query)
    synonyms = labels.synonyms or ((),) * count
    for matches in (
        [i for i, label in enumerate(labels.names) if label == query.strip()],
        [i for i, label in enumerate(labels.names) if _plain(label) == name],
        [i for i, identity in enumerate(labels.wordnet_ids) if identity == name],
        [int(query)] if re.fullmatch(r"\s*[0-9]{1,9}\s*", query) and int(query) < count else [],
        [i for i, more in enumerate(synonyms) if name in map(_plain, more)],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise UnknownClass(
                f"'{query}' is the name of {len(matches)} classes of '{network}': "
                f"{' and '.join(_described(index, labels) for index in matches)}. "
                "Select one of them by its index."
            )
    raise _unknown(query, labels, network)


def _plain(name: str) -> str:
    """Normalize a name: ignore case, separators and apostrophes."""
    return re.sub(r"[\s_\-‐-―]+", " ", name.replace("’", "'").casefold()).strip()


def _described(index: int, labels: Labels) -> str:
    facts = [labels.wordnet_ids[index]] if labels.wordnet_ids else []
    facts += list(labels.synonyms[index]) if labels.synonyms else []
    return f"{index} ({', '.join(facts)})" if facts else str(index)


def _unknown(query: str, labels: Labels, network: str) -> UnknownClass:
    count = len(labels.names)
    if not count:
        return UnknownClass(
            f"'{network}' has no class '{query}', nor any class: its output is not one row of "
            "scores per photo. Explain it with a target of your own: explain(..., target=function)."
        )
    choices = [*labels.names, *(name for more in labels.synonyms for name in more)]
    near = nearest_names(query, choices) if labels.given and not query.isdigit() else ""
    verb = "names are" if " and " in near else "name is"
    by_id = ", by WordNet id" if labels.wordnet_ids else ""
    by_name = "by name" if labels.given else "as 'class 0'"
    return UnknownClass(
        f"'{network}' has no class '{query}'. It has {count} classes"
        + (f"; the nearest {verb} {near}" if near else "")
        + f". Select one {by_name}{by_id} or by index, 0 to {count - 1}."
    )
