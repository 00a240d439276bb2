"""PyTorch networks by name: torchvision and timm, with their own preprocessing and labels."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import math
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from seewhy.classifier.labels import IMAGENET, Labels, imagenet_labels
from seewhy.errors import MissingFramework, OptionError, UnknownModel, nearest_names
from seewhy.photos.fitting import Fit
from seewhy.photos.preprocessing import Normalize
from seewhy.zoo.archives import first_line
from seewhy.zoo.hub import one_try
from seewhy.zoo.names import LoadedModel, ModelName, builder_arguments
from seewhy.zoo.torch_files import load_torch_weights

TORCHVISION, TIMM = "torchvision:", "timm:"
"""The prefixes of these networks' names."""

EXTRAS = {
    "torch": "'seewhy[torch]'",
    "transformers": "'seewhy[hf]'",
    "open_clip": "'seewhy[openclip]'",
}
"""What installs a package with PyTorch."""


def import_torch_package(name: str) -> ModuleType:
    """Import torch, torchvision, timm, transformers or open_clip.

    Raises:
        MissingFramework: it is not installed, or does not fit the installed PyTorch.
    """
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError, OSError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name in (name, "torch"):
            missing = "PyTorch" if error.name == "torch" else name
            needs = "This needs" if name == "torch" else f"{name} networks need"
            packages = EXTRAS.get(name, f"'seewhy[torch]' {name}")
            raise MissingFramework(
                f"{needs} {missing}, which is not installed. Install it: pip install {packages}"
            ) from error
        raise MissingFramework(
            f"{name} is installed, but cannot be imported: {first_line(error)} It may not fit the "
            "installed PyTorch. Install both from one place, for example: pip install "
            "--force-reinstall torch torchvision --index-url https://download.pytorch.org/whl/cpu"
        ) from error


def has_registered(package: str, name: str) -> bool:
    """True where an installed torchvision or timm registers a network of that name.

    Its source is searched: importing it takes seconds.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None or not name.isidentifier():
        return False
    pattern = re.compile(rf"@register_model\b((?!\ndef ).)*\ndef {name}\(", re.DOTALL)
    files = (Path(spec.origin).parent / "models").glob("*.py")
    return any(pattern.search(file.read_text("utf-8", errors="replace")) for file in files)


def torchvision_names() -> list[str]:
    """Return the names of torchvision's classification networks, without 'torchvision:'."""
    models = import_torch_package("torchvision").models
    return list(models.list_models(module=models))


def timm_names() -> list[str]:
    """Return the names of timm's networks that have weights, without 'timm:'."""
    return list(import_torch_package("timm").list_pretrained())


def build_torchvision(name: ModelName, *, size: tuple[int, int] | None) -> LoadedModel:
    """Build a classification network of torchvision, with the transforms of its weights.

    Args:
        name: weights are None or 'default' (torchvision's best), a name of the weights' enum
            ('imagenet1k_v1'), 'none' for random ones, or a file with a state dict.
        size: of the input, if not the weights' own; the resize before the crop keeps its ratio.

    Raises:
        UnknownModel: torchvision has no such classification network.
        OptionError: the builder does not accept an argument.
        ModelError: the weights' file does not fit.
        MissingFramework: torchvision, or weights to download, are not available.
    """
    models = import_torch_package("torchvision").models
    key = name.base.removeprefix(TORCHVISION)
    names = torchvision_names()
    if key not in names:
        raise _unknown(name.base, TORCHVISION, key, names)
    builder = models.get_model_builder(key)
    choices = models.get_model_weights(key)
    wanted = (name.weights or "default").upper()
    is_enum = wanted == "DEFAULT" or wanted in choices.__members__
    weights = choices.DEFAULT if wanted == "DEFAULT" or not is_enum else choices[wanted]
    arguments = builder_arguments(name, builder, but=("weights", "progress", "kwargs"))
    if not is_enum and key in ("googlenet", "inception_v3"):
        arguments.setdefault(
            "init_weights", False
        )  # the default initialization takes a minute and warns
    model = _built(name, builder, arguments, weights if is_enum else None)
    if not is_enum and wanted != "NONE":
        load_torch_weights(model, str(name.weights), name=name.base)
    transforms = weights.transforms()
    crop, resize = int(transforms.crop_size[0]), int(transforms.resize_size[0])
    size = size or (crop, crop)
    classes = arguments.get("num_classes", len(weights.meta["categories"]))
    return LoadedModel(
        model.eval(),
        size=size,
        preprocess=Normalize(tuple(transforms.mean), tuple(transforms.std)),
        labels=_torchvision_labels(weights.meta["categories"], classes),
        fit=Fit(
            size=size,
            mode="crop",
            resize=round(resize * min(size) / crop),
            interpolation=transforms.interpolation.value,
        ),
        source="the transforms of its weights in torchvision",
    )


def build_timm(name: ModelName, *, size: tuple[int, int] | None) -> LoadedModel:
    """Build a network of timm, with the data settings of its weights.

    Args:
        name: weights are None (timm's own download), 'none' for random ones, or a file.
        size: of the input, if not the network's own.

    Raises:
        UnknownModel: timm has no such network.
        OptionError: the builder does not accept an argument.
        ModelError: the weights' file does not fit.
        MissingFramework: timm, or weights to download, are not available.
    """
    timm = import_torch_package("timm")
    key = name.base.removeprefix(TIMM)
    if not timm.is_model(key):
        raise _unknown(name.base, TIMM, key, timm.list_models())
    arguments = builder_arguments(name, timm.create_model, but=("model_name", "pretrained"))
    settings = timm.models.get_pretrained_cfg(key)
    if size is not None and getattr(settings, "fixed_input_size", False):
        arguments.setdefault("img_size", size)  # transformers are built for one size
    is_downloaded = name.weights is None
    try:
        with one_try() if is_downloaded else contextlib.nullcontext():
            model = timm.create_model(key, pretrained=is_downloaded, **arguments)
    except OSError as error:
        raise _no_timm_download(timm, key, name, error) from error
    except (RuntimeError, TypeError, ValueError) as error:
        raise OptionError(f"'{name.text}' cannot be built: {first_line(error)}") from error
    if name.weights not in (None, "none"):
        load_torch_weights(model, str(name.weights), name=name.base)
    data = timm.data.resolve_model_data_config(model)
    own = (int(data["input_size"][1]), int(data["input_size"][2]))
    size = size or own
    return LoadedModel(
        model.eval(),
        size=size,
        preprocess=Normalize(tuple(data["mean"]), tuple(data["std"])),
        labels=_timm_labels(timm, model),
        fit=timm_fit(size, data),
        source="timm's settings of its weights",
    )


def timm_fit(size: tuple[int, int], data: dict[str, Any]) -> Fit:
    """Return how timm fits a photo: resized so that the crop is `crop_pct` of it, then cropped.

    Its mode 'squash' is a stretch. Differs from timm: for the few 'squash' networks whose crop_pct
    is below 1, timm also crops the border (5 % of a side at most), and here the whole photo is
    used; its mode 'border', which pads instead of cropping, is a crop here.
    """
    if data["crop_mode"] == "squash":
        return Fit(size=size, mode="stretch", interpolation=data["interpolation"])
    return Fit(
        size=size,
        mode="crop",
        resize=math.floor(min(size) / data["crop_pct"]),
        interpolation=data["interpolation"],
    )


def _built(
    name: ModelName, builder: Callable[..., Any], arguments: dict[str, Any], weights: Any
) -> Any:
    try:
        return builder(weights=weights, **arguments)
    except OSError as error:
        hub = import_torch_package("torch").hub
        folder = Path(hub.get_dir()) / "checkpoints"
        file = weights.url.rpartition("/")[2] if weights is not None else ""
        raise MissingFramework(
            f"The weights {weights} of '{name.base}' are not on this machine and could not be "
            f"downloaded ({first_line(error).rstrip('.')}). Put {weights.url} into {folder} as "
            f"{file}, or name a file: {name.with_weights}."
        ) from error
    except (TypeError, ValueError) as error:
        raise OptionError(f"'{name.text}' cannot be built: {first_line(error)}") from error


def _no_timm_download(timm: Any, key: str, name: ModelName, error: OSError) -> MissingFramework:
    settings = timm.models.get_pretrained_cfg(key)
    repository = getattr(settings, "hf_hub_id", None) or "its repository"
    from huggingface_hub.constants import HF_HUB_CACHE

    return MissingFramework(
        f"The weights of '{name.base}' are not on this machine and could not be downloaded "
        f"({type(error).__name__}). Fill the cache {HF_HUB_CACHE} on a machine with a network (hf "
        f"download {repository}), or name the file model.safetensors out of "
        f"https://huggingface.co/{repository}: {name.with_weights}."
    )


def _torchvision_labels(categories: list[str], classes: int) -> Labels | None:
    """Return ImageNet's labels, whose order the categories share; or the categories."""
    if classes != len(categories):
        return None
    imagenet = imagenet_labels()
    same = sum(ours == theirs for ours, theirs in zip(imagenet.names, categories, strict=False))
    if len(categories) == len(imagenet.names) and same > 0.9 * len(categories):
        return imagenet
    return Labels(tuple(categories))


def _timm_labels(timm: Any, model: Any) -> Labels | str | None:
    """Return the labels of ImageNet, or of the larger set that the weights were trained on."""
    subset = timm.data.infer_imagenet_subset(model)
    if subset == "imagenet-1k" or (subset is None and model.num_classes == 1000):
        return IMAGENET
    if subset is None:
        return None
    facts = timm.data.ImageNetInfo(subset)
    return Labels(
        tuple(name.split(",")[0] for name in facts.label_descriptions()),
        wordnet_ids=tuple(facts.label_names()),
    )


def _unknown(text: str, family: str, key: str, names: list[str]) -> UnknownModel:
    near = nearest_names(key, names)
    return UnknownModel(
        f"{family.rstrip(':')} has no classification network '{key}'"
        + (f"; the nearest names are {near}" if near else "")
        + f". List them: seewhy models {family.rstrip(':')}"
    )
