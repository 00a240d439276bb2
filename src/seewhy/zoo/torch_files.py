"""A PyTorch network of your own: built by a named function, with weights from a file.

Weights are loaded with `weights_only=True`: no code in a file is run.
"""

from __future__ import annotations

import contextlib
import importlib
import pickle
import struct
import sys
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from seewhy.errors import (
    MissingFramework,
    ModelError,
    SeewhyError,
    UnknownModel,
    nearest_names,
)
from seewhy.files import is_file
from seewhy.photos.processor import PROCESSOR, read_processor
from seewhy.zoo.archives import first_line, opened_archive
from seewhy.zoo.keras import load_keras_weights
from seewhy.zoo.names import LoadedModel, ModelName, builder_arguments
from seewhy.zoo.own_code import in_words

PYTHON = "python:"
"""The prefix of the name of your own network."""

DAMAGED_FILE = (
    RuntimeError,
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    ImportError,
    MemoryError,
    struct.error,
    zipfile.BadZipFile,
)
"""What torch.load and safetensors raise for a damaged file."""

COMPILED_PREFIX = "_orig_mod."
"""What torch.compile puts into the names of a module's weights."""

PREFIXES = ("", "model.", "module.", "module.model.", "model.module.", "net.", "network.")
"""Prefixes that are preferred, where several parts of a file fit: not a teacher or an average."""

STATE_KEYS = ("state_dict", "model_state_dict", "model")
"""The keys under which training scripts store the state dict in a larger file."""


def build_python(name: ModelName) -> LoadedModel:
    """Call the function 'python:package.module:function', and load weights into what it returns.

    The current folder is searched for the module first, as `python -m` does.

    Raises:
        UnknownModel: the module or the function does not exist.
        ModelError: the name is incomplete, the module cannot be imported, or the weights' file
            does not fit.
        OptionError: the function has no such argument.
        MissingFramework: a package that the module imports is not installed.
    """
    module_name, _, function_name = name.base.removeprefix(PYTHON).partition(":")
    if not (function_name and all(part.isidentifier() for part in module_name.split("."))):
        raise ModelError(
            f"'{name.base}' does not name a function. Write python:package.module:function, for "
            "example python:mynet:build?weights=mynet.pt&size=224&preprocess=torch"
        )
    with _current_folder_first():
        builder = _function(_module(module_name), function_name)
        model = builder
        if isinstance(builder, type) or not _is_model(builder):
            arguments = builder_arguments(name, builder)
            try:
                model = builder(**arguments)
            except SeewhyError:
                raise
            except (Exception, SystemExit) as error:
                raise ModelError(
                    f"'{name.base}' failed: {in_words(error)} Correct the function, or give it "
                    "other arguments: python:module:function?name=value"
                ) from error
    if name.weights not in (None, "none"):
        if _is_torch(model):
            load_torch_weights(model, str(name.weights), name=name.base)
        else:
            load_keras_weights(model, str(name.weights), name=name.base)
    if _is_torch(model):
        with contextlib.suppress(NotImplementedError):  # an exported module has one mode
            model.eval()
    beside = Path(str(name.weights)).parent if name.weights not in (None, "none") else None
    preprocess = None if beside is None else read_processor(beside)
    return LoadedModel(
        model,
        preprocess=preprocess,
        source=f"{PROCESSOR} beside {name.weights}",
    )


def load_torch_weights(model: Any, path: str, *, name: str) -> None:
    """Load a state dict into a PyTorch module: `.pt`, `.pth` or `.safetensors`.

    A state dict inside a larger file ('state_dict', 'model') is found. A prefix of its names
    ('module.' of DataParallel, 'model.' of Lightning, '_orig_mod.' of torch.compile) is taken off,
    or put in front, where all names and shapes then fit. Nothing is loaded unless everything fits.

    Raises:
        ModelError: the file is missing, damaged, contains code, or does not fit.
    """
    wanted = model.state_dict()
    state = _renamed(_state_dict(path, name=name), wanted, path)
    missing = [key for key in wanted if key not in state and not _is_counter(key)]
    unexpected = [key for key in state if key not in wanted]
    reshaped = [
        f"{key} ({_shape(state[key])} in the file, {_shape(value)} in the network)"
        for key, value in wanted.items()
        if key in state and _shape(state[key]) != _shape(value)
    ]
    retyped = [
        f"{key} ({state[key].dtype} in the file, {value.dtype} in the network)"
        for key, value in wanted.items()
        if key in state and state[key].is_complex() != value.is_complex()
    ]
    faults = [
        f"{what}: {_some(keys)}"
        for what, keys in (
            ("missing in the file", missing),
            ("unknown to the network", unexpected),
            ("of another shape", reshaped),
            ("of another type", retyped),
        )
        if keys
    ]
    if faults:
        raise ModelError(
            f"The weights in '{path}' do not fit '{name}'. {'; '.join(faults).capitalize()}. "
            "Build the network with the arguments that it was trained with."
        )
    model.load_state_dict(state, strict=False)


def _renamed(state: dict[str, Any], wanted: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return a state dict with the names that a network has, if only a prefix differs.

    Raises:
        ModelError: several parts of the file fit.
    """
    if _fits(state, wanted):
        return state
    plain = {key.replace(COMPILED_PREFIX, ""): value for key, value in state.items()}
    bare = {key.replace(COMPILED_PREFIX, ""): key for key in wanted}
    parts = {}
    for prefix in sorted(_prefixes(state) | _prefixes(plain)):
        within = state if COMPILED_PREFIX in prefix else plain
        part = {
            bare.get(key.removeprefix(prefix), key.removeprefix(prefix)): value
            for key, value in within.items()
            if key.startswith(prefix)
        }
        if _fits(part, wanted):
            parts[prefix] = part
    for prefix in _prefixes(bare) - {""}:
        part = {bare.get(prefix + key, prefix + key): value for key, value in plain.items()}
        if _fits(part, wanted):
            parts[prefix] = part
    usual = [parts[prefix] for prefix in PREFIXES if prefix in parts]
    same = {tuple(id(value) for value in part.values()) for part in parts.values()}
    if usual or len(same) == 1:
        return usual[0] if usual else next(iter(parts.values()))
    if parts:
        listed = ", ".join(f"'{prefix}'" for prefix in sorted(parts))
        raise ModelError(
            f"'{path}' has weights of several networks that all fit: {listed}. Save those of one "
            "alone: torch.save(model.state_dict(), path)"
        )
    return state


def _prefixes(names: Iterable[str]) -> set[str]:
    """Return what names begin with, up to three parts: '', 'model.', 'model.net.'."""
    starts = {""}
    for name in names:
        parts = name.split(".")[:-1]
        starts |= {".".join(parts[:count]) + "." for count in range(1, min(len(parts), 3) + 1)}
    return starts


def _fits(state: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """True where a state dict has all the names and shapes of a network, and no others."""
    return {key for key in state if key not in wanted} == set() and all(
        _is_counter(key) if key not in state else state[key].shape == value.shape
        for key, value in wanted.items()
    )


def _state_dict(path: str, *, name: str) -> dict[str, Any]:
    if not is_file(path):
        raise ModelError(
            f"There is no file '{path}' with weights for '{name}'. Give the path of a state dict "
            "saved by torch.save(model.state_dict(), path), or weights=none for random ones."
        )
    content = _content(path)
    for key in STATE_KEYS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not all(map(_is_dense, content.values())):
        raise ModelError(
            f"'{path}' contains a {type(content).__name__}, not a state dict. Save the weights "
            "alone: torch.save(model.state_dict(), path)"
        )
    odd = next((key for key in content if not isinstance(key, str)), None)
    if odd is not None:
        raise ModelError(
            f"'{path}' is not a state dict: its entry {odd!r:.60} is not named by a text. Save the "
            "weights alone: torch.save(model.state_dict(), path)"
        )
    return dict(content)


def _content(path: str) -> Any:
    """Read a file of weights; no code in it is run."""
    import torch

    errors: tuple[type[Exception], ...] = DAMAGED_FILE
    try:
        if path.endswith(".safetensors"):
            load_file, error_of_safetensors = _safetensors(path)
            errors += (error_of_safetensors,)
            return load_file(path)
        if zipfile.is_zipfile(path):
            with opened_archive(Path(path)) as archive:
                _refuse_programs(archive.namelist(), path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of deprecated kinds of storage
            return torch.load(path, map_location="cpu", weights_only=True)
    except ModelError:
        raise
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"'{path}' is not a file of plain weights: it is damaged, or contains whole objects, "
            "whose code seewhy does not run. Save the weights alone: "
            "torch.save(model.state_dict(), path)"
        ) from error
    except errors as error:
        raise ModelError(
            f"'{path}' is not a file of PyTorch weights, or not a whole one ({first_line(error)}) "
            "Copy or download it again."
        ) from error


def _refuse_programs(names: Sequence[str], path: str) -> None:
    """Refuse an archive of a whole network, with its code.

    Raises:
        ModelError: it is TorchScript, or an exported program.
    """
    ends = {name.partition("/")[2] for name in names}
    load = "torch.jit.load" if "constants.pkl" in ends else ""
    if any("exported_program" in name or name.endswith("models/model.json") for name in names):
        load = "torch.export.load"
    if load:
        what = "a TorchScript archive" if "jit" in load else "an exported program"
        weights = "state_dict()" if "jit" in load else "state_dict"
        raise ModelError(
            f"'{path}' is {what}: it contains code, and seewhy runs no code in files. Save its "
            f"weights alone: torch.save({load}('{path}').{weights}, 'weights.pt'), and name the "
            "function that builds the network: python:module:function?weights=weights.pt"
        )


def _safetensors(path: str) -> tuple[Any, type[Exception]]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise MissingFramework(
            f"'{path}' needs safetensors, which is not installed. "
            "Install it: pip install safetensors"
        ) from error
    return load_file, SafetensorError


def _is_dense(value: Any) -> bool:
    """Return whether a value is a tensor that can be copied into a parameter."""
    import torch

    return (
        isinstance(value, torch.Tensor)
        and value.layout == torch.strided
        and not value.is_quantized
        and value.device.type == "cpu"
        and not value.is_nested
    )


@contextlib.contextmanager
def _current_folder_first() -> Iterator[None]:
    """Search the current folder for modules, as `python -m` does and console scripts do not."""
    folder = str(Path.cwd())
    is_new = folder not in sys.path and "" not in sys.path
    if is_new:
        sys.path.insert(0, folder)
        importlib.invalidate_caches()
    try:
        yield
    finally:
        if is_new and folder in sys.path:
            sys.path.remove(folder)


def _module(module_name: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and f"{module_name}.".startswith(f"{error.name}."):
            raise UnknownModel(
                f"There is no Python module '{error.name}' in {Path.cwd()}, nor is it installed. "
                "Go to the folder that contains it, or install it."
            ) from error
        raise MissingFramework(
            f"The module '{module_name}' needs '{error.name}', which is not installed. Install it."
        ) from error
    except (ImportError, SyntaxError) as error:
        raise ModelError(
            f"The module '{module_name}' cannot be imported: {first_line(error)}"
        ) from error
    except (Exception, SystemExit) as error:
        raise ModelError(
            f"The module '{module_name}' cannot be imported: {in_words(error)} Correct it."
        ) from error


def _function(module: ModuleType, function_name: str) -> Any:
    function = getattr(module, function_name, None)
    if callable(function):
        return function
    names = [name for name, value in vars(module).items() if callable(value) and name[0] != "_"]
    near = nearest_names(function_name, names)
    verb = "names are" if " and " in near else "name is"
    raise UnknownModel(
        f"The module '{module.__name__}' has no function '{function_name}'"
        + (f"; the nearest {verb} {near}" if near else "")
        + f". It is in {module.__file__}."
    )


def _is_torch(model: Any) -> bool:
    torch = sys.modules.get("torch")
    keras = sys.modules.get("keras")
    is_keras = keras is not None and isinstance(model, keras.Model)
    return torch is not None and isinstance(model, torch.nn.Module) and not is_keras


def _is_model(value: Any) -> bool:
    keras = sys.modules.get("keras")
    return _is_torch(value) or (keras is not None and isinstance(value, keras.Model))


def _is_counter(key: str) -> bool:
    """Return whether a missing entry only counts training steps, which older files lack."""
    return key.endswith("num_batches_tracked")


def _shape(value: Any) -> str:
    return "×".join(map(str, value.shape)) or "one number"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(name if len(name) <= 80 else f"{name[:77]}..." for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
