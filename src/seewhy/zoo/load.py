"""Load a `Classifier` by name or from a file.

    load("vgg16")                            keras.applications, ImageNet weights
    load("mobilenet?alpha=0.75&weights=F")   builder arguments; weights from the file F, or none
    load("torchvision:resnet50")             with the transforms and labels of its weights
    load("timm:convnext_tiny")               with the data settings of its weights
    load("hf:FOLDER_OR_REPOSITORY")          an image classifier of transformers, with its processor
    load("openclip:ViT-B-32?pretrained=F", prompts=["a cat", "a dog"])
                                             CLIP, also hf: CLIP and SigLIP: prompts are its classes
    load("animals.keras")                    a file; also .h5 and .hdf5 from Keras 2
    load("python:mynet:build?weights=F")     what the function build of mynet.py returns
    load("net.onnx")                         a network for onnxruntime; also .tflite
    load("built-in")                         the small network that comes with seewhy
    load("efficientnet-lite0")               ImageNet's 1,000 classes, with seewhy[imagenet]

Any name also accepts size=224 (or 224x320), preprocess=, labels=, layer=, fit=, channels=, device=,
prompts=, template=, neutral= and output= (which of several outputs is explained: 0, logits) after
'?'; `load`'s own arguments take precedence.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from importlib.resources import files
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Unpack

from seewhy.classifier import Classifier, Size, as_fit
from seewhy.classifier.familiarity import ReferenceFeatures
from seewhy.classifier.labels import LabelSource, labels_from
from seewhy.classifier.preprocessing import Preprocessing
from seewhy.errors import ModelError, OptionError, UnknownModel, nearest_names
from seewhy.files import is_file
from seewhy.networks import is_keras, is_pytorch
from seewhy.networks.checks import LoadableName
from seewhy.networks.onnx.reading import read_model
from seewhy.networks.outputs import selecting
from seewhy.networks.prompts import NO_PROMPTS, PromptKeywords, Prompts
from seewhy.networks.tflite import TFLiteNetwork
from seewhy.photos.fitting import Fit
from seewhy.photos.preprocessing import Preprocess, preprocess_named
from seewhy.photos.processor import PROCESSOR, is_processor, read_processor
from seewhy.settings import as_size
from seewhy.settings.signature import name_keywords
from seewhy.zoo.backend import is_keras_installed, keras_in_use
from seewhy.zoo.hugging_face import HUGGING_FACE, build_hugging_face
from seewhy.zoo.imagenet import LITE0, build_lite0
from seewhy.zoo.keras import APPLICATIONS, application_key, build_application
from seewhy.zoo.keras_files import load_keras_file, read_metadata, write_metadata
from seewhy.zoo.names import LoadedModel, ModelName, parse_name
from seewhy.zoo.open_clip import OPEN_CLIP, build_open_clip
from seewhy.zoo.plain import load_plainly
from seewhy.zoo.torch import (
    TIMM,
    TORCHVISION,
    build_timm,
    build_torchvision,
    has_registered,
    timm_names,
    torchvision_names,
)
from seewhy.zoo.torch_files import PYTHON, build_python

__all__ = ["BUILT_IN", "backend_in_use", "load", "models", "read_metadata", "write_metadata"]

BUILT_IN = "built-in"
"""The name of the network that comes with seewhy."""

BUILT_IN_FILE = Path(str(files("seewhy").joinpath("data/built_in.keras")))

FRAMEWORK_NAMES = {"torch": "PyTorch", "numpy": "NumPy"}

KERAS_FILES = (".keras", ".h5", ".hdf5")
RUNTIME_FILES: Mapping[str, Callable[[Path], Any]] = {
    ".onnx": read_model,
    ".tflite": TFLiteNetwork,
}
"""Readers of whole networks that only a runtime computes."""

TORCH_FILES = (".pt", ".pth", ".pth.tar", ".safetensors", ".ckpt")


@name_keywords(PromptKeywords, NO_PROMPTS)
def load(
    name: str | PathLike[str],
    *,
    size: Size | str | None = None,
    preprocess: Preprocess | None = None,
    labels: LabelSource | None = None,
    layer: Any = None,
    fit: Fit | str | None = None,
    channels: int | None = None,
    device: str | None = None,
    **prompts: Unpack[PromptKeywords],
) -> Classifier:
    """Load a network by name or from a file, with its input size, preprocessing and labels.

    Args:
        name: a name, as in this module's docstring, or a path.
        size, preprocess, labels, layer, fit, channels, device: as in `Classifier`; each overrides
            the name or file.
        prompts: prompts, template and neutral, as in `Classifier`.

    Raises:
        UnknownModel: no network has that name; the message lists the nearest.
        ModelError: the file is not a model, is damaged, or its weights do not fit.
        OptionError: the network does not have a setting, or does not accept its value.
        MissingFramework: a framework, or weights to download, are not available.
    """
    text = fspath(name)
    parsed = ModelName(text, text) if is_file(text) else parse_name(text)
    settings = dict(parsed.settings)
    wanted = as_size(size if size is not None else settings.get("size"))
    given_fit = fit if fit is not None else settings.get("fit")
    _check_settings(
        _first(preprocess, settings.get("preprocess")),
        _first(labels, settings.get("labels")),
        given_fit,
    )
    asked: dict[str, Any] = {
        key: _first(prompts.get(key), settings.get(key), default)
        for key, default in NO_PROMPTS.items()
    }
    Prompts.of(**asked)
    loaded = _find(parsed, wanted)
    if wanted is None and isinstance(given_fit, Fit):
        wanted = given_fit.size
    return Classifier(
        loaded.model,
        size=wanted or loaded.size,
        preprocess=_first(preprocess, settings.get("preprocess"), _known(loaded)),
        labels=_first(labels, settings.get("labels"), loaded.labels),
        layer=_first(layer, settings.get("layer"), loaded.layer),
        fit=_first(given_fit, loaded.fit),
        name=LoadableName(parsed.text),
        references=loaded.references,
        channels=_first(channels, _whole_number(settings.get("channels"), parsed)),
        device=_first(device, settings.get("device")),
        call=_call_of(loaded.model, settings.get("output"), parsed.base),
        tokenizer=loaded.tokenizer,
        **asked,
    )


def _call_of(model: Any, output: str | None, name: str) -> Callable[[Any, Any], Any] | None:
    """Return what calls a model for one of its outputs; None where none is chosen.

    Raises:
        OptionError: the model is one that a runtime computes.
    """
    if output is None:
        return None
    if is_keras(model):
        return selecting(
            output, network=name, run=lambda model, images: model(images, training=False)
        )
    if is_pytorch(model):
        return selecting(output, network=name, run=lambda model, images: model(images))
    raise OptionError(
        f"'{name}' is no Keras model and no PyTorch module, whose outputs alone can be chosen. "
        "Leave output out."
    )


def _check_settings(preprocess: Any, labels: Any, fit: Any) -> None:
    """Refuse settings that are invalid for every network, before a framework is loaded.

    Raises:
        OptionError: the preprocessing or fit is unknown, or the labels cannot be read.
    """
    if isinstance(preprocess, str):
        preprocess_named(preprocess)
    labels_from(labels)
    if isinstance(fit, str):
        as_fit(fit, (1, 1))


def models(family: str = "keras") -> list[str]:
    """Return the names that `load` knows.

    Args:
        family: 'keras' (the built-in network and keras.applications, without importing Keras),
            'torchvision' or 'timm' (from the installed package).

    Raises:
        OptionError: the family is unknown.
        MissingFramework: the package is not installed.
    """
    if family == "keras":
        return [BUILT_IN, LITE0, *sorted(APPLICATIONS)]
    if family == "torchvision":
        return [f"{TORCHVISION}{name}" for name in torchvision_names()]
    if family == "timm":
        return [f"{TIMM}{name}" for name in timm_names()]
    raise OptionError(f"'{family}' is not a family of networks. Choose keras, torchvision or timm.")


def backend_in_use(classifier: Classifier | None = None) -> str:
    """Return the backend of a network, in words: 'Keras 3.15.1 on TensorFlow', 'PyTorch 2.13.0'.

    Without a classifier: the backend of Keras; '' if Keras is not in use.
    """
    if classifier is not None and not is_keras(classifier.network.model):
        framework = classifier.network.framework
        version = str(getattr(sys.modules.get(framework), "__version__", "")).partition("+")[0]
        return f"{FRAMEWORK_NAMES.get(framework, framework)} {version}".strip()
    return keras_in_use()


def _find(name: ModelName, size: tuple[int, int] | None) -> LoadedModel:
    """Build the network of a name."""
    key = application_key(name.base)
    if key:
        return build_application(key, name, size=size)
    if name.base.startswith(TORCHVISION):
        return build_torchvision(name, size=size)
    if name.base.startswith(TIMM):
        return build_timm(name, size=size)
    if name.base.startswith(OPEN_CLIP):
        return build_open_clip(name, size=size)
    if name.base.startswith(HUGGING_FACE):
        return build_hugging_face(name)
    if name.base.startswith(PYTHON):
        return build_python(name)
    if name.base == BUILT_IN:
        return _built_in(name)
    if name.base == LITE0:
        return build_lite0(name)
    suffix = Path(name.base).suffix.lower()
    if os.path.exists(name.base) or suffix in (*KERAS_FILES, *TORCH_FILES, *RUNTIME_FILES):  # noqa: PTH110
        return _from_file(name)
    others = [
        f"'{prefix}{name.base}'"
        for prefix in (TORCHVISION, TIMM)
        if has_registered(prefix.removesuffix(":"), name.base)
    ]
    if others:
        raise UnknownModel(
            f"Keras has no network '{name.base}'. Did you mean {' or '.join(others)}?"
        )
    near = nearest_names(name.base, models())
    verb = "names are" if " and " in near else "name is"
    raise UnknownModel(
        f"There is no network '{name.base}', and no such file"
        + (f"; the nearest {verb} {near}" if near else "")
        + ". List the names: seewhy models"
    )


def _from_file(name: ModelName) -> LoadedModel:
    path = Path(name.base)
    suffix = path.suffix.lower()
    if not is_file(path):
        if "://" in name.base:
            raise UnknownModel(
                f"'{name.base}' is an address; seewhy loads networks from files only. Download it "
                "first."
            )
        what = "does not exist"
        if os.path.exists(path):  # noqa: PTH110  (Path.exists raises for names that are too long)
            what = "is a folder" if path.is_dir() else "is a pipe or a device"
        raise UnknownModel(
            f"The model file '{path}' {what}. Give a .keras, .h5 or .hdf5 file, or a name: "
            "seewhy models"
        )
    _refuse_arguments(name, path)
    if path.name.lower().endswith(TORCH_FILES):
        raise ModelError(
            f"'{path}' contains PyTorch weights, but no network. Name the function that builds the "
            f"network too: python:module:function?weights={path}"
        )
    if suffix in RUNTIME_FILES:
        return LoadedModel(RUNTIME_FILES[suffix](path))
    if suffix not in KERAS_FILES:
        raise ModelError(
            f"'{path}' is not a model file: seewhy loads {', '.join(KERAS_FILES)} from Keras, and "
            f"{', '.join(RUNTIME_FILES)}. For PyTorch, name the function that builds the network: "
            "python:module:function"
        )
    if suffix == ".keras" and not is_keras_installed():
        return _with_metadata(load_plainly(path, name=LoadableName(name.text)), path)
    return _with_metadata(load_keras_file(path), path)


def _refuse_arguments(name: ModelName, path: Path) -> None:
    if name.arguments or name.weights:
        extra = next(iter(name.arguments), "weights")
        raise OptionError(
            f"'{extra}' cannot be set for the file '{path}', which contains a complete network."
        )


def _with_metadata(model: Any, path: Path) -> LoadedModel:
    """Return the model of a Keras file with what the file says of it."""
    metadata = read_metadata(path) if path.suffix.lower() == ".keras" else {}
    if metadata.get("references") is not None:
        metadata["references"] = _references(metadata["references"], path)
    preprocess, source = metadata.get("preprocess"), f"what was saved in {path.name}"
    if preprocess is None:
        preprocess, source = read_processor(path.parent), f"{PROCESSOR} beside {path.name}"
    return LoadedModel(
        model,
        as_size(metadata.get("size")),
        preprocess,
        **{key: metadata.get(key) for key in ("labels", "layer", "fit", "references")},
        source=source,
    )


def _references(stored: Mapping[str, Any], path: Path) -> ReferenceFeatures:
    try:
        return ReferenceFeatures.from_dict(stored)
    except ValueError as error:
        raise ModelError(
            f"The metadata of '{path}' are damaged: {error}. Get the file again, or train again."
        ) from error


def _built_in(name: ModelName) -> LoadedModel:
    if not BUILT_IN_FILE.is_file():
        raise ModelError(
            "This copy of seewhy comes without its built-in network. Name another one, for "
            "example --model mobilenetv2; seewhy models lists them."
        )
    _refuse_arguments(name, BUILT_IN_FILE)
    network = load_plainly(BUILT_IN_FILE, name=LoadableName(name.text))
    return _with_metadata(network, BUILT_IN_FILE)


def _known(loaded: LoadedModel) -> Preprocess | Preprocessing | None:
    """Return the preprocessing in a name or file, with its source; a processor is one itself."""
    if loaded.preprocess is None or is_processor(loaded.preprocess):
        return loaded.preprocess
    return Preprocessing(loaded.preprocess, "known", loaded.source)


def _first(*values: Any) -> Any:
    """Return the first that is not None."""
    return next((value for value in values if value is not None), None)


def _whole_number(text: str | None, name: ModelName) -> int | None:
    if text is None or text.isdecimal():
        return None if text is None else int(text)
    raise OptionError(f"channels={text} in '{name.text}' is not a number. Give 1 or 3.")
