"""Keras models in files: `.keras`, and `.h5` or `.hdf5` from Keras 2. No code in a file is run.

A `.keras` file is a zip archive. A file that seewhy has trained contains *metadata*, the member
`seewhy.json`, so that it needs no further settings:

    {"labels": ["cat", "dog"], "size": [224, 224], "layer": "last", "preprocess": "none",
     "fit": "stretch"}
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sys
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from seewhy.errors import ModelError
from seewhy.files import parse_json, written_whole
from seewhy.zoo.archives import (
    DAMAGED_ARCHIVE,
    LARGEST_RATIO,
    first_line,
    member_text,
    opened_archive,
    refuse_endless_heaps,
)
from seewhy.zoo.keras2_layers import RUNS_CODE

METADATA = "seewhy.json"
METADATA_KEYS = {
    "labels": list,
    "size": list,
    "layer": str,
    "preprocess": str,
    "fit": str,
    "references": dict,
}
"""The metadata that seewhy reads, with their types; further keys are kept unchanged."""

TRUSTED_PACKAGES = ("keras", "keras_hub", "keras_cv", "keras_nlp", "builtins")
"""Packages whose classes a file may name."""

WIDTHS = ("filters", "units", "input_dim", "output_dim", "num_heads", "key_dim", "value_dim")
"""Settings of a layer that imply at least that many weights."""

_UNREADABLE_FILE = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OSError,
    EOFError,
    RuntimeError,
    AssertionError,
    OverflowError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
    MemoryError,
    UserWarning,  # see `all_or_nothing`
)


def unreadable() -> tuple[type[Exception], ...]:
    """Return what Keras, its backend and h5py raise for a file that is damaged or not a model."""
    tensorflow = sys.modules.get("tensorflow")
    return (
        _UNREADABLE_FILE if tensorflow is None else (*_UNREADABLE_FILE, tensorflow.errors.OpError)
    )


@contextlib.contextmanager
def all_or_nothing() -> Iterator[None]:
    """Make Keras raise instead of leaving layers with random weights and a warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Skipping nested container", UserWarning)
        yield


def load_keras_file(path: str | PathLike[str]) -> Any:
    """Load a whole Keras model: never compiled, in safe mode; files of Keras 2 are rebuilt.

    Raises:
        ModelError: the file is damaged, is not a model, or contains code.
    """
    from seewhy.zoo.backend import import_keras, without_random_weights

    path = Path(path)
    config = _config(path)
    _refuse_impossible(config, path)
    if _is_of_keras_2(path):
        return _rebuilt(config, path)
    refuse_code(config, path)
    keras = import_keras()
    try:
        with all_or_nothing(), without_random_weights():
            return keras.saving.load_model(str(path), compile=False, safe_mode=True)
    except unreadable() as error:
        if path.suffix.lower() != ".keras":
            with contextlib.suppress(ModelError):
                return _rebuilt(config, path)
        raise ModelError(
            f"'{path}' could not be loaded by Keras {keras.__version__}: {first_line(error)} "
            "If it needs classes of your own, register them (keras.saving."
            "register_keras_serializable) and give the loaded model to seewhy.Classifier."
        ) from error


def _is_of_keras_2(path: Path) -> bool:
    """True for a file that Keras 2 wrote; HDF5 that tells no version counts as that."""
    if path.suffix.lower() == ".keras":
        with _opened(path) as archive, contextlib.suppress(*DAMAGED_ARCHIVE, AttributeError):
            told = parse_json(member_text(archive, "metadata.json")).get("keras_version")
            return str(told).startswith("2.")
        return False
    import h5py

    try:
        with h5py.File(path, "r") as file:
            version = file.attrs.get("keras_version", b"2")
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelError(f"'{path}' is damaged: {first_line(error)} Save it again.") from error
    text = version.decode("utf-8", "replace") if isinstance(version, bytes) else str(version)
    return text.startswith(("1", "2"))


def _rebuilt(config: Any, path: Path) -> Any:
    """Rebuild a model of Keras 2 from its configuration, as data, with its weights."""
    import h5py

    from seewhy.zoo.backend import without_random_weights
    from seewhy.zoo.keras2 import rebuild
    from seewhy.zoo.keras2_weights import load_archived_weights, load_stored_weights

    refuse_code(config, path, is_rebuilt=True)
    try:
        with without_random_weights():
            model = rebuild(config, path)
        if path.suffix.lower() == ".keras":
            with _opened(path) as archive:
                content = io.BytesIO(archive.read("model.weights.h5"))
            with h5py.File(content, "r") as file:
                load_archived_weights(model, config, file, path)
        else:
            with h5py.File(path, "r") as file:
                load_stored_weights(model, file, path)
    except unreadable() as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(
            f"'{path}' is damaged: {first_line(error)} Copy or download it again."
        ) from error
    return model


def refuse_code(config: Any, path: Path, *, is_rebuilt: bool = False) -> None:
    """Refuse a model whose configuration names code.

    Args:
        config: of the model.
        path: for messages.
        is_rebuilt: the modules that it names are not imported, and may be any.

    Raises:
        ModelError: a layer contains or loads code, or is of a class that Keras does not know.
    """
    for part in _parts(config):
        kind = part.get("class_name")
        if kind in RUNS_CODE:
            inner = part.get("config")
            name = inner.get("name") if isinstance(inner, dict) else None
            raise ModelError(
                f"'{path}' contains the {kind} layer '{name or kind}', which is code, and seewhy "
                "runs no code in files. Build the model in Python, load its weights and give it to "
                "seewhy.Classifier, or name the function that builds it: "
                "python:module:function?weights=FILE"
            )
        module = part.get("module")
        if is_rebuilt:
            continue
        if isinstance(module, str) and module.partition(".")[0] not in TRUSTED_PACKAGES:
            _require_registered(part, module, path)


def _refuse_impossible(config: Any, path: Path) -> None:
    """Refuse a layer with more weights than the file can contain, before allocating memory.

    Raises:
        ModelError: the file has such a layer.
    """
    most = LARGEST_RATIO * path.stat().st_size
    for part in _parts(config):
        for key in WIDTHS:
            width = part.get(key)
            if isinstance(width, int) and width > most:
                raise ModelError(
                    f"'{path}' claims a layer with {key}={width}, for which the file is too "
                    "small. Copy or download it again."
                )


def write_metadata(path: str | PathLike[str], metadata: Mapping[str, Any]) -> None:
    """Write metadata into a `.keras` file, replacing existing ones.

    The write is atomic: a temporary file is written and then renamed.

    Raises:
        ModelError: the file is not a `.keras` archive, or the metadata are not valid.
        OutputError: the file cannot be written.
    """
    path = Path(path)
    content = json.dumps(_checked(dict(metadata), path), indent=1)
    with _opened(path) as old, written_whole(path) as beside, zipfile.ZipFile(beside, "w") as new:
        for member in old.infolist():
            if member.filename != METADATA:
                with old.open(member) as source, new.open(member, "w") as target:
                    shutil.copyfileobj(source, target)
        new.writestr(METADATA, content)


def read_metadata(path: str | PathLike[str]) -> dict[str, Any]:
    """Return the metadata in a `.keras` file; empty if it has none.

    Raises:
        ModelError: the file is not a `.keras` archive, or its metadata are damaged.
    """
    path = Path(path)
    with _opened(path) as archive:
        if METADATA not in archive.namelist():
            return {}
        try:
            metadata = parse_json(member_text(archive, METADATA))
        except DAMAGED_ARCHIVE as error:
            raise ModelError(
                f"The metadata {METADATA} in '{path}' are damaged ({first_line(error)}) Write "
                "them again: seewhy.zoo.write_metadata(path, metadata)."
            ) from error
    return _checked(metadata, path)


def _checked(metadata: Any, path: Path) -> dict[str, Any]:
    wrong = "" if isinstance(metadata, dict) else "they are not a table"
    if not wrong:
        for key, kind in METADATA_KEYS.items():
            if metadata.get(key) is not None and not isinstance(metadata[key], kind):
                wrong = f"'{key}' is {metadata[key]!r:.60}, not a {kind.__name__}"
    if wrong:
        raise ModelError(
            f"The metadata of '{path}' are not valid: {wrong}. They are a table of labels, size "
            "[height, width], layer, preprocess and fit."
        )
    return dict(metadata)


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return opened_archive(path)
    except ModelError:
        raise
    except DAMAGED_ARCHIVE as error:
        raise ModelError(
            f"'{path}' is not a .keras file: {_why(error)}. Such files are zip archives, written "
            "by model.save('name.keras')."
        ) from error


def _why(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "it is not a zip archive, or not a whole one"


def _config(path: Path) -> Any:
    """Read a model's configuration from a file, without building anything."""
    if path.suffix.lower() == ".keras":
        with _opened(path) as archive:
            try:
                refuse_endless_heaps(path)
                return parse_json(member_text(archive, "config.json"))
            except DAMAGED_ARCHIVE as error:
                raise ModelError(
                    f"'{path}' is a zip archive, but it contains no Keras model "
                    f"({first_line(error)}) Save the model by model.save('name.keras')."
                ) from error
    from seewhy.zoo.backend import import_keras

    import_keras()
    import h5py

    try:
        refuse_endless_heaps(path)
        with h5py.File(path, "r") as file:
            config = file.attrs.get("model_config")
    except unreadable() as error:
        raise ModelError(
            f"'{path}' is not an HDF5 file, or not a whole one ({first_line(error)}) "
            "Copy or download it again."
        ) from error
    if config is None:
        raise ModelError(
            f"'{path}' contains weights, or other data, but no model. Name the network that they "
            f"belong to: mobilenet?weights={path}"
        )
    try:
        if not isinstance(config, str | bytes):
            raise ValueError(f"it is not text but a {type(config).__name__}")
        return parse_json(config)
    except ValueError as error:
        raise ModelError(
            f"'{path}' contains a model's configuration that cannot be read "
            f"({first_line(error)}) Copy or download it again."
        ) from error


def _parts(config: Any) -> Iterator[dict[str, Any]]:
    """Yield every dict in a configuration."""
    pending = [config]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            yield part
            pending.extend(part.values())
        elif isinstance(part, list):
            pending.extend(part)


def _require_registered(part: Mapping[str, Any], module: str, path: Path) -> None:
    from seewhy.zoo.backend import import_keras

    keras = import_keras()
    names = [part.get("registered_name"), part.get("class_name"), part.get("config")]
    registered = (
        keras.saving.get_registered_object(name) for name in names if isinstance(name, str)
    )
    if all(entry is None for entry in registered):
        raise ModelError(
            f"'{path}' needs '{part.get('class_name')}' of the module '{module}', which Keras does "
            "not know, and seewhy imports no code that a file names. Import and register it "
            "(keras.saving.register_keras_serializable), then load the file from Python."
        )
