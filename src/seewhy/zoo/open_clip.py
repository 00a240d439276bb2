"""CLIP and its like of open_clip, by name, with the transforms of their weights."""

from __future__ import annotations

import contextlib
import pickle
from typing import Any

from seewhy.errors import MissingFramework, OptionError, UnknownModel, nearest_names
from seewhy.files import is_file
from seewhy.photos.transforms import from_transform
from seewhy.zoo.archives import first_line
from seewhy.zoo.hub import one_try
from seewhy.zoo.names import LoadedModel, ModelName
from seewhy.zoo.torch import import_torch_package

OPEN_CLIP = "openclip:"
"""The prefix of these networks' names."""


def build_open_clip(name: ModelName, *, size: tuple[int, int] | None) -> LoadedModel:
    """Build a network of open_clip, which compares images with texts: its classes are prompts.

    Args:
        name: 'openclip:ViT-B-32?pretrained=FILE'; pretrained is a file, or one of open_clip's tags
            of weights, which are downloaded; 'none' for random ones.
        size: of the input, if not the network's own.

    Raises:
        UnknownModel: open_clip has no such network.
        OptionError: no weights are named, or they do not fit, or there is another argument.
        MissingFramework: open_clip, or weights to download, are not available.
    """
    open_clip = import_torch_package("open_clip")
    key = name.base.removeprefix(OPEN_CLIP)
    if key not in open_clip.list_models():
        near = nearest_names(key, open_clip.list_models())
        raise UnknownModel(
            f"open_clip has no network '{key}'"
            + (f"; the nearest names are {near}" if near else "")
            + ". It lists them: open_clip.list_models()."
        )
    arguments = dict(name.arguments)
    weights = arguments.pop("pretrained", name.weights)
    if arguments:
        raise OptionError(
            f"'{name.base}' has no setting '{next(iter(arguments))}'. It has pretrained: a file."
        )
    if weights is None:
        tags = open_clip.list_pretrained_tags_by_model(key)
        raise OptionError(
            f"'{name.base}' needs weights. Name their file, pretrained=FILE"
            + (f", or a tag that is downloaded: {', '.join(tags)}." if tags else ".")
        )
    is_downloaded = weights != "none" and not is_file(weights)
    try:
        with one_try() if is_downloaded else contextlib.nullcontext():
            model, _, transform = open_clip.create_model_and_transforms(
                key,
                pretrained=None if weights == "none" else weights,
                force_image_size=size,
                pretrained_text=False,
                pretrained_image=False,
            )
            tokenizer = open_clip.get_tokenizer(key)
    except OSError as error:
        raise MissingFramework(
            f"The weights or the tokenizer of '{name.base}' are not on this machine and could not "
            f"be downloaded ({type(error).__name__}). Name a file, pretrained=FILE, of a network "
            "with CLIP's own tokenizer, or fill Hugging Face's cache on a machine with a network."
        ) from error
    except (RuntimeError, ValueError, TypeError, KeyError, pickle.UnpicklingError) as error:
        raise OptionError(f"'{name.text}' cannot be built: {first_line(error)}") from error
    preprocess, fit = from_transform(transform, size)
    settings: dict[str, Any] = {"size": fit.size} if fit is not None else {}
    return LoadedModel(
        model.eval(),
        preprocess=preprocess,
        fit=fit,
        tokenizer=tokenizer,
        source="open_clip's settings of its weights",
        **settings,
    )
