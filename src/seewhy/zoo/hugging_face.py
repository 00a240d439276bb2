"""Networks of transformers, by the name of a repository or by a folder, with their processor."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seewhy.errors import MissingFramework, ModelError, OptionError, SeewhyError
from seewhy.files import is_folder
from seewhy.photos.processor import PROCESSOR
from seewhy.zoo.archives import first_line
from seewhy.zoo.hub import one_try
from seewhy.zoo.names import LoadedModel, ModelName
from seewhy.zoo.torch import import_torch_package

HUGGING_FACE = "hf:"
"""The prefix of these networks' names."""

CLASSIFIER = "ForImageClassification"
"""How the classes of transformers end that give scores of classes."""

WEIGHTS = (
    "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)  # fmt: skip
"""The files that hold weights; the first one there is read, and none of them runs code."""

PROCESSORS = (PROCESSOR, "processor_config.json")

DAMAGED = (RuntimeError, ValueError, KeyError, TypeError, ImportError, pickle.UnpicklingError)
"""What transformers raises for files that are no network of its own."""


def build_hugging_face(name: ModelName) -> LoadedModel:
    """Load a network of transformers with its processor: a classifier, or CLIP and its like.

    Its labels are those of its configuration. No code that comes with it runs.

    Args:
        name: 'hf:' and a folder with config.json, preprocessor_config.json and model.safetensors,
            or the name of a repository on the hub, which is downloaded once.

    Raises:
        OptionError: the name has arguments, which a complete network does not take.
        ModelError: it is no network of images with classes, is damaged, or needs code of its own.
        MissingFramework: transformers is not installed, or the network could not be downloaded.
    """
    transformers = import_torch_package("transformers")
    from safetensors import SafetensorError

    source = name.base.removeprefix(HUGGING_FACE)
    if name.arguments or name.weights:
        extra = next(iter(name.arguments), "weights")
        raise OptionError(
            f"'{extra}' cannot be set for '{name.base}', which is a complete network."
        )
    is_local = is_folder(source)
    if is_local:
        _check_folder(Path(source))
    with contextlib.nullcontext() if is_local else one_try(), _quiet(transformers):
        try:
            kind = _kind(transformers, source, name.base)
            model, facts = kind.from_pretrained(
                source,
                trust_remote_code=False,
                dtype=import_torch_package("torch").float32,
                output_loading_info=True,
            )
        except SeewhyError:
            raise
        except OSError as error:
            raise _not_there(source, name.base, error, is_local=is_local) from error
        except (*DAMAGED, SafetensorError) as error:
            raise ModelError(
                f"'{name.base}' cannot be loaded: {first_line(error)} Get it again."
            ) from error
        processor = _processor(source, name.base, is_local=is_local)
    missing = sorted(facts["missing_keys"])
    if missing:
        raise ModelError(
            f"'{name.base}' has no weights for '{missing[0]}' and {len(missing) - 1} more of "
            f"{type(model).__name__}: it has not been trained to classify. Name a network that "
            "has, or train its head."
        )
    return LoadedModel(model.eval(), preprocess=processor)


def _check_folder(folder: Path) -> None:
    """Refuse a folder without a configuration or weights.

    Raises:
        ModelError: that is so.
    """
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"The folder '{folder}' has no config.json, and is no network of Hugging Face. Name "
            "the folder that save_pretrained wrote."
        )
    if not any((folder / file).is_file() for file in WEIGHTS):
        raise ModelError(
            f"The folder '{folder}' has no weights. Put {WEIGHTS[0]} beside its config.json."
        )


def _kind(transformers: Any, source: str, name: str) -> Any:
    """Return the class of transformers that loads a network.

    Raises:
        ModelError: it needs code of its own, or has neither classes nor texts for its images.
        OSError, ValueError: its configuration cannot be read.
    """
    settings, _ = transformers.PretrainedConfig.get_config_dict(source)
    auto = transformers.models.auto
    kind = str(settings.get("model_type", ""))
    if kind not in auto.configuration_auto.CONFIG_MAPPING:
        if settings.get("auto_map"):
            raise ModelError(
                f"'{name}' is made of code of its own, and seewhy runs no code that comes with a "
                "network. Build it in Python, and give it to seewhy.Classifier."
            )
        raise ModelError(
            f"'{name}' is of the kind '{kind}', which this transformers "
            f"({transformers.__version__}) does not know. Update it: pip install -U transformers"
        )
    config = type(auto.configuration_auto.CONFIG_MAPPING[kind]())
    names = settings.get("architectures") or []
    modeling = auto.modeling_auto
    is_pair = config in modeling.MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING
    if is_pair and not any(CLASSIFIER in architecture for architecture in names):
        return transformers.AutoModelForZeroShotImageClassification
    if config not in modeling.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING:
        raise ModelError(
            f"'{name}' is of the kind '{kind}', which does not classify images. Name an image "
            "classifier, or CLIP or SigLIP with prompts."
        )
    return transformers.AutoModelForImageClassification


def _processor(source: str, name: str, *, is_local: bool) -> Any:
    """Return the processor of a network; None without one.

    Raises:
        ModelError: it is damaged, or needs code of its own.
        MissingFramework: transformers cannot import what it needs.
    """
    from seewhy.networks.pytorch.hugging_face import load_processor

    if is_local and not any((Path(source) / file).is_file() for file in PROCESSORS):
        return None
    try:
        return load_processor(source, local_files_only=is_local)
    except ImportError as error:
        raise MissingFramework(
            f"transformers cannot prepare photos: {first_line(error)} Its torchvision may not fit "
            "the installed PyTorch. Install both from one place."
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, OSError) and not is_local:
            return None
        raise ModelError(
            f"The processor of '{name}' cannot be read: {first_line(error)} Get it again, or "
            "leave its file out and give preprocess=..., or --preprocess."
        ) from error


@contextlib.contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Keep the progress bars and remarks of transformers off the terminal."""
    logging = transformers.utils.logging
    level, has_bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if has_bar:
            logging.enable_progress_bar()


def _not_there(
    source: str, name: str, error: OSError, *, is_local: bool
) -> ModelError | MissingFramework:
    if is_local:
        return ModelError(f"'{name}' cannot be read: {first_line(error)} Get it again.")
    from huggingface_hub.constants import HF_HUB_CACHE

    return MissingFramework(
        f"'{name}' is not a folder on this machine, and could not be downloaded "
        f"({type(error).__name__}). Name its folder, or fill the cache {HF_HUB_CACHE} on a machine "
        f"with a network: hf download {source}"
    )
