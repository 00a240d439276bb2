"""Where a model computes: on the processor, or on an accelerator that its framework has here."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from seewhy.errors import OptionError

TORCH_KINDS = ("cpu", "cuda", "mps", "xpu")
"""Devices of PyTorch that compute; 'meta' has shapes and no values."""


def torch_device(model: Any, device: str) -> str:
    """Move a PyTorch module to a device.

    Raises:
        OptionError: it is not here; names those that are.
    """
    torch = sys.modules["torch"]
    try:
        where = torch.device(device)
        if where.type not in TORCH_KINDS:
            raise RuntimeError(device)
        torch.zeros(1, device=where)
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # not compiled with it
        found = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
        found += ["mps"] if torch.backends.mps.is_available() else []
        _refuse(device, "PyTorch", found, error)
    model.to(where)
    return str(where)


def keras_device(_model: Any, device: str) -> str:
    """Return Keras's name of a device: 'gpu:0' for 'gpu' or 'cuda'.

    Raises:
        OptionError: it is not here, or Keras runs on PyTorch.
    """
    keras = sys.modules["keras"]
    if keras.backend.backend() == "torch":
        raise OptionError(
            "Keras on PyTorch chooses its device when it is imported. Leave device out, and set "
            "the environment variable KERAS_TORCH_DEVICE."
        )
    kind, _, number = device.lower().partition(":")
    wanted = f"{kind.replace('cuda', 'gpu')}:{number or 0}"
    found = keras.distribution.list_devices("cpu")
    found += [name for name in keras.distribution.list_devices() if name not in found]
    if wanted not in found:
        _refuse(device, "Keras", found)
    return wanted


def onnx_device(_model: Any, device: str) -> str:
    """Return a device of which onnxruntime has a provider.

    Raises:
        OptionError: it has none.
    """
    provider_of(device)
    return device


def provider_of(device: str) -> tuple[str, dict[str, str]]:
    """Return onnxruntime's provider for a device, with its options: ('CUDA...', device_id 1).

    Raises:
        OptionError: it has none.
    """
    import onnxruntime

    ending = "ExecutionProvider"
    names = {
        name.removesuffix(ending).lower(): name for name in onnxruntime.get_available_providers()
    }
    kind, _, number = device.lower().removesuffix(ending.lower()).partition(":")
    if kind not in names or (number and not number.isdecimal()):
        _refuse(device, "onnxruntime", list(names))
    return names[kind], {"device_id": number} if number else {}


def no_device(model: Any, device: str) -> str:
    """Refuse any other device than the processor, for what computes there only.

    Raises:
        OptionError: it is another one.
    """
    if device != "cpu":
        raise OptionError(
            f"'{getattr(model, 'name', type(model).__name__)}' computes where it is, and cannot be "
            f"moved to '{device}'. Leave device out."
        )
    return device


def _refuse(
    device: str, framework: str, found: Sequence[str], cause: Exception | None = None
) -> NoReturn:
    raise OptionError(
        f"'{device}' is not a device that {framework} has here; it has {', '.join(found)}. Name "
        "one of them, or leave device out."
    ) from cause
