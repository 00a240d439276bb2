"""The question of a run: written as `run.json`, and hashed to a fingerprint."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seewhy.classifier.fingerprint import NetworkFingerprint
from seewhy.datasets.checked import checked
from seewhy.datasets.manifest import Item
from seewhy.errors import ModelError, OptionError, OutputError
from seewhy.explaining.provenance import Provenance
from seewhy.explaining.request import Request
from seewhy.explaining.rounding import Rounding
from seewhy.explaining.rows import Background
from seewhy.files import is_folder
from seewhy.photos.fitting import Fit
from seewhy.zoo.hugging_face import HUGGING_FACE
from seewhy.zoo.names import parse_name
from seewhy.zoo.torch_files import PYTHON

NAME = "run.json"
SCHEMA = 4
"""Of run.json and of the rows; it changes when either does."""


@dataclass(frozen=True)
class ModelArguments:
    """How a worker loads the network: the arguments of `seewhy.load`.

    Attributes:
        name: a name or a file.
        settings: size, preprocess, labels, layer, fit, channels, device, where they are given.
        folder: the folder in which names of files hold.
    """

    name: str
    settings: Mapping[str, Any]
    folder: str

    @classmethod
    def of(cls, name: str | os.PathLike[str], settings: Mapping[str, Any]) -> ModelArguments:
        """Return a model of this machine; paths stay as they are given.

        Raises:
            OptionError: a setting is not text or numbers, and cannot be passed to a worker.
        """
        given = {key: value for key, value in settings.items() if value is not None}
        for key, value in given.items():
            try:
                json.dumps(value)
            except TypeError as error:
                raise OptionError(
                    f"{key}={value!r} cannot be passed to workers: it is neither text nor numbers. "
                    "Save it in the model's file, or run without workers."
                ) from error
        return cls(os.fspath(name), given, str(Path.cwd()))

    def stored(self) -> tuple[str, dict[str, Any]]:
        """Return name and settings for this process, of a run that may come from anybody.

        Names of files hold in the folder where the run was started, wherever this process is.

        Raises:
            ModelError: the name is of code, which a run must not start; or a setting that no
                network has.
        """
        from seewhy.zoo.load import load

        base, mark, query = self.name.partition("?")
        if base.startswith(PYTHON):
            raise ModelError(
                f"The run names the network '{base}', which is code, and a run may come from "
                f"anybody: seewhy does not start it. Give the network yourself: --model {base}"
            )
        parse_name(self.name)
        known = inspect.signature(load).parameters
        for setting in self.settings:
            if setting not in known or known[setting].kind is not inspect.Parameter.KEYWORD_ONLY:
                raise ModelError(
                    f"The run gives its network the setting '{setting}', which does not exist. "
                    f"Give the network yourself: --model {base}"
                )
        parts = (part.partition("=") for part in query.split("&") if part)
        stored_query = "&".join(f"{key}={self._found(value)}" for key, _, value in parts)
        settings = {name: self._found(value) for name, value in self.settings.items()}
        found = self._found(base)
        if base.startswith(HUGGING_FACE):
            folder = Path(self.folder) / base.removeprefix(HUGGING_FACE)
            found = f"{HUGGING_FACE}{folder}" if is_folder(folder) else base
        return f"{found}{mark}{stored_query}", settings

    def _found(self, value: Any) -> Any:
        """Return the path of a file of the run's own folder; all else as it is."""
        path = Path(self.folder) / value if isinstance(value, str) and value else None
        try:
            return str(path) if path is not None and path.is_file() else value
        except (OSError, ValueError):
            return value


@dataclass(frozen=True)
class PhotoList:
    """Which photos a run has: how many, and a hash of paths, sizes, times and labels.

    Size and time are those at the beginning: a photo that failed may change, and be tried again.
    """

    count: int
    sha256: str

    @classmethod
    def of(cls, items: Sequence[Item]) -> PhotoList:
        """Return those of a list."""
        digest = hashlib.sha256()
        for item in items:
            line = json.dumps([item.path, *item.first, item.label])
            digest.update(line.encode() + b"\n")
        return cls(len(items), digest.hexdigest())


@dataclass(frozen=True)
class RunQuestion:
    """The question of a run, and all that its rows need to become explanations again.

    Attributes:
        request: what is asked, with the network's part filled in.
        network: the fingerprint of the network, with the names of its classes.
        versions: of what computes and decodes.
        truths: the class index of each label of the photos.
        photos: which they are.
        boxes, descriptors, maps: what rows hold, and the precision of their maps.
        shard_size: photos per file.
        provenance: of every explanation.
        familiarity_limit: the similarity from which on a photo is familiar, where it is known.
        map_size: rows and columns of every map.
        rounding: how far the first photos are off, where the network does not compute in float32.
        model: how workers load the network; None for a network that only this process has.
    """

    request: Request
    network: NetworkFingerprint
    versions: Mapping[str, str]
    truths: Mapping[str, int]
    photos: PhotoList
    boxes: bool
    descriptors: bool
    maps: str
    shard_size: int
    provenance: Mapping[str, Any]
    familiarity_limit: float | None = None
    map_size: tuple[int, int] = (0, 0)
    rounding: Rounding | None = None
    model: ModelArguments | None = None

    @property
    def method(self) -> str:
        """The method's name."""
        return self.request.methods[0]

    @property
    def batch_size(self) -> int:
        """Photos per batch."""
        assert self.request.batch_size is not None
        return self.request.batch_size

    @property
    def fit(self) -> Fit:
        """How photos met the network."""
        mode, resize, interpolation = self.network.fit
        return Fit(self.network.size, mode, resize, interpolation)

    @property
    def background(self) -> Background:
        """What all rows have in common."""
        return Background(
            request=self.request,
            provenance=Provenance.stored(self.provenance),
            labels=self.network.labels,
            fit=self.fit,
            limit=self.familiarity_limit,
            rounding=self.rounding,
        )

    def asked(self) -> dict[str, Any]:
        """Return everything that determines the results, but for the network, as plain JSON."""
        request = self.request.as_dict()
        methods, options = request.pop("methods"), request.pop("options")
        return {
            "method": methods[0],
            "options": options.get(methods[0], {}),
            **request,
            "versions": dict(self.versions),
            "labels": dict(self.truths),
            "photos": asdict(self.photos),
            "boxes": self.boxes,
            "descriptors": self.descriptors,
            "maps": self.maps,
            "shard_size": self.shard_size,
        }

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of all that is asked and of the network; its first 12 digits."""
        asked = {**self.asked(), "network": self.network.digest}
        text = json.dumps(asked, sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def differences(self, there: RunQuestion) -> list[str]:
        """Name what differs from the run that is there: "top: 1 there, 2 now"."""
        return differences(there.asked(), self.asked()) + self.network.differences(there.network)

    def as_json(self) -> bytes:
        """Return the content of run.json."""
        content = {
            "schema": SCHEMA,
            "fingerprint": self.fingerprint,
            **{name: getattr(self, name) for name in _PLAIN_FIELDS},
            "request": self.request.as_dict(),
            "network": self.network.as_dict(),
            "photos": asdict(self.photos),
            "model": None if self.model is None else asdict(self.model),
            "rounding": None if self.rounding is None else asdict(self.rounding),
        }
        content["check"] = _check_digest(json.loads(json.dumps(content)))
        return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_json(cls, content: bytes, place: str) -> RunQuestion:
        """Read run.json.

        Raises:
            OutputError: it is damaged, or of another schema.
        """
        with checked(place, "Give another folder for the results."):
            fields = json.loads(content)
            if fields.get("schema") != SCHEMA:
                raise OutputError(
                    f"'{place}' has the schema {fields.get('schema')}, and this seewhy writes "
                    f"{SCHEMA}. Give another folder for the results, or use the seewhy that wrote "
                    "it."
                )
            model, off = fields["model"], fields["rounding"]
            question = cls(
                **{name: fields[name] for name in _PLAIN_FIELDS if name != "map_size"},
                map_size=_pair(fields["map_size"]),
                request=Request.from_dict(fields["request"]),
                network=NetworkFingerprint.from_dict(fields["network"]),
                photos=PhotoList(**fields["photos"]),
                model=None if model is None else ModelArguments(**model),
                rounding=None if off is None else Rounding(**off),
            )
            _check(question)
            if fields["fingerprint"] != question.fingerprint:
                raise ValueError("it was changed, and its fingerprint is of what it was")
            if fields["check"] != _check_digest(fields):
                raise ValueError("it was changed, and its check is of what it was")
            return question


_PLAIN_FIELDS = (
    "versions", "truths", "boxes", "descriptors", "maps", "shard_size", "provenance",
    "familiarity_limit", "map_size",
)  # fmt: skip
"""The attributes that are JSON as they are."""


def _check_digest(fields: Mapping[str, Any]) -> str:
    """Return the SHA-256 of all of run.json that its fingerprint leaves out, but for the model.

    The model is a name by which the network may be loaded, and changes where files are moved.
    """
    covered = {key: value for key, value in fields.items() if key not in ("model", "check")}
    return hashlib.sha256(json.dumps(covered, sort_keys=True).encode()).hexdigest()


def _pair(value: Any) -> tuple[int, int]:
    height, width = value
    return int(height), int(width)


def _check(question: RunQuestion) -> None:
    """Refuse a run.json whose parts are not what they are for.

    Raises:
        ValueError, TypeError, KeyError: that is so.
    """
    if len(question.request.methods) != 1 or not isinstance(question.request.batch_size, int):
        raise ValueError("a run has one method and a size of batches")
    sizes = (question.shard_size, question.photos.count, *question.map_size)
    if not all(isinstance(size, int) and size >= 0 for size in sizes) or not question.shard_size:
        raise ValueError("a size is not a whole number")
    if question.maps not in ("float32", "float16"):
        raise ValueError(f"maps are of '{question.maps}'")
    dicts = (question.versions, question.truths, question.provenance)
    if not all(isinstance(table, Mapping) for table in dicts):
        raise ValueError("versions, truths and provenance are tables")
    if not all(name in question.provenance for name in ("method", "options", "layer", "size")):
        raise ValueError("the provenance is incomplete")
    if question.provenance["method"] != question.method:
        raise ValueError("the provenance is of another method")
    model = question.model
    if model is not None and not (
        isinstance(model.name, str)
        and isinstance(model.folder, str)
        and isinstance(model.settings, Mapping)
    ):
        raise ValueError("the model is not a name with settings")
    off = question.rounding
    if off is not None and not all(
        isinstance(var, int | float | str) for var in vars(off).values()
    ):
        raise ValueError("the rounding is not numbers")
    limit = question.familiarity_limit
    if limit is not None and not isinstance(limit, int | float):
        raise ValueError("the limit of familiarity is not a number")
    question.background  # noqa: B018 - raises where it is none


def versions(framework: str) -> dict[str, str]:
    """Return the versions of what computes and decodes, as far as they are loaded."""
    by_package = {}
    for name in dict.fromkeys(("seewhy", "numpy", "PIL", "keras", framework)):
        version = getattr(sys.modules.get(name), "__version__", None)
        if isinstance(version, str):
            by_package[name] = version
    return by_package


def differences(there: Mapping[str, Any], here: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Name what differs between two questions: "method: 'cam' there, 'occlusion' now"."""
    changes: list[str] = []
    for key in sorted({*there, *here}):
        old, new = there.get(key), here.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            changes += differences(old, new, f"{prefix}{key}.")
        elif old != new:
            changes.append(f"{prefix}{key}: {_short(old)} there, {_short(new)} now")
    return changes


def _short(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
