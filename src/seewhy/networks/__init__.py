"""The only packages that depend on a framework: one adapter each, all of them a `Network`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from seewhy.errors import ModelError
from seewhy.networks.base import Network
from seewhy.networks.devices import keras_device, no_device, onnx_device, torch_device
from seewhy.networks.own import OwnNetwork, is_network_like
from seewhy.networks.predicting import PredictNetwork
from seewhy.networks.prompts import Prompts
from seewhy.networks.published import Published


def adapt(
    model: Any,
    *,
    size: tuple[int, int] | None = None,
    channels: int | None = None,
    name: str,
    call: Callable[[Any, Any], Any] | None = None,
    is_pair: bool = False,
    device: str | None = None,
) -> Network:
    """Wrap a model as a `seewhy.networks.base.Network`; one that is a network stays itself.

    Frameworks are recognised by imported modules: a model's framework is always imported already.
    Nothing is imported to look.

    Args:
        model: a Keras 3 model on TensorFlow, JAX or PyTorch, a PyTorch module, an ONNX model, a
            function of images that returns scores, or a network object of the user's own.
        size: height and width of its images; None: as the model fixes them.
        channels: of its images; None: as the model fixes them.
        name: the network's name in messages.
        call: for networks with several inputs: call(model, images) returns the model's output, for
            images in the framework's own tensors and the model's own layout.
        is_pair: whether a single output without a sigmoid is the logit of two classes; else it is
            a regression.
        device: where it computes; None: where it is, or as its framework chooses.

    Raises:
        ModelError: the model is not of a type that seewhy supports.
        OptionError: there is no such device here.
    """
    if isinstance(model, Network):
        if device is not None:
            no_device(model, device)
        return model
    if type(model).__name__ == "ExportedProgram" and hasattr(model, "module"):
        model = model.module()
    adapter = _keras_adapter(model) or _pytorch_adapter(model) or _onnx_adapter(model)
    if adapter is None and is_network_like(model):
        return OwnNetwork(model)
    if adapter is None and callable(model) and not isinstance(model, type):
        adapter = PredictNetwork
    if adapter is None:
        raise ModelError(
            f"'{name}' is a {_kind(model)}, which is no network that seewhy knows. Give a Keras 3 "
            "model, a torch.nn.Module, or a function of images that returns scores; a name or a "
            "file is loaded by seewhy.load()"
        )
    if device is not None:
        device = _placer(model)(model, device)
    made = adapter(model, size=size, channels=channels, name=name, call=call, is_pair=is_pair)
    made.device = device
    network: Network = made
    return network


def _placer(model: Any) -> Callable[[Any, str], str]:
    """Return what finds a model's device, and brings it there where it is the model that moves."""
    if is_keras(model):
        return keras_device
    if is_pytorch(model):
        return torch_device
    return no_device if _onnx_adapter(model) is None else onnx_device


def published(model: Any) -> Published:
    """Return what is known of a PyTorch module from those who published it."""
    if not is_pytorch(model):
        return Published()  # a Keras model has its own
    from seewhy.networks.pytorch.published import published as of_pytorch

    return of_pytorch(model)


def with_prompts(
    model: Any, prompts: Prompts | None, *, name: str, size: tuple[int, int] | None
) -> Any:
    """Return a network of images and texts as a classifier of prompts; any other without any.

    Raises:
        ModelError: it knows no texts and there are prompts, or the reverse, or it has no tokenizer.
        OptionError: a prompt is too long for it.
    """
    if is_pytorch(model):
        from seewhy.networks.pytorch.prompts import compares_texts, prompted

        if compares_texts(model):
            if prompts is not None:
                return prompted(model, prompts, name=name, size=size)
            raise ModelError(
                f"'{name}' compares images with texts, and has no classes of its own. Name them: "
                "prompts=['a cat', 'a dog'], or --prompt 'a cat' --prompt 'a dog'."
            )
    if prompts is not None:
        raise ModelError(
            f"'{name}' knows no texts, so that prompts cannot be its classes. Leave prompts out, "
            "or give a network that compares images with texts: CLIP or SigLIP."
        )
    return model


def is_keras(model: Any) -> bool:
    """True for a Keras layer or model; Keras is not imported to look."""
    layers = getattr(sys.modules.get("keras"), "layers", None)
    return layers is not None and isinstance(model, layers.Layer)


def _keras_adapter(model: Any) -> Any:
    if not is_keras(model):
        return None
    backend = sys.modules["keras"].backend.backend()
    if backend == "tensorflow":
        from seewhy.networks.keras.tensorflow import KerasTensorFlow

        return KerasTensorFlow
    if backend == "jax":
        from seewhy.networks.keras.jax import KerasJax

        return KerasJax
    if backend == "torch":
        from seewhy.networks.keras.torch import KerasTorch

        return KerasTorch
    raise ModelError(
        f"Keras runs on '{backend}' here, which has no gradients that seewhy can ask for. Set the "
        "environment variable KERAS_BACKEND to tensorflow, jax or torch"
    )


def is_pytorch(model: Any) -> bool:
    """True for a PyTorch module that is not a Keras layer; PyTorch is not imported to look."""
    module = getattr(getattr(sys.modules.get("torch"), "nn", None), "Module", None)
    return module is not None and isinstance(model, module) and not is_keras(model)


def _pytorch_adapter(model: Any) -> Any:
    if not is_pytorch(model):
        return None
    if isinstance(model, sys.modules["torch"].jit.ScriptModule) or _is_flat_graph(model):
        from seewhy.networks.pytorch.scripted import ScriptedNetwork

        return ScriptedNetwork
    from seewhy.networks.pytorch.module import PyTorchNetwork

    return PyTorchNetwork


def _is_flat_graph(model: Any) -> bool:
    """True for what `torch.export` makes: a graph of functions, whose layers cannot be reached."""
    fx = getattr(sys.modules["torch"], "fx", None)
    if fx is None or not isinstance(model, fx.GraphModule):
        return False
    called = [node.target for node in model.graph.nodes if node.op == "call_module"]
    return all(next(model.get_submodule(target).parameters(), None) is None for target in called)


def _onnx_adapter(model: Any) -> Any:
    proto = getattr(sys.modules.get("onnx"), "ModelProto", None)
    if proto is None or not isinstance(model, proto):
        return None
    from seewhy.networks.onnx.network import OnnxNetwork

    return OnnxNetwork


def _kind(model: Any) -> str:
    return f"{type(model).__module__}.{type(model).__qualname__}".removeprefix("builtins.")
