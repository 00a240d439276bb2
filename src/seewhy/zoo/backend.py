"""The backend that Keras runs on: chosen before Keras is imported, which fixes it."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from seewhy.errors import MissingFramework, OptionError
from seewhy.zoo.quiet import quiet_native_logs

_one_at_a_time = threading.RLock()

BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
"""The backends that Keras can use here, in order of preference, and their names."""


def choose_backend() -> str:
    """Return the backend for Keras: KERAS_BACKEND, else what is imported, else what is installed.

    Raises:
        OptionError: KERAS_BACKEND is not a backend that seewhy supports.
        MissingFramework: it is not installed, or nothing is.
    """
    if "keras" in sys.modules:
        return str(sys.modules["keras"].backend.backend())
    wanted = os.environ.get("KERAS_BACKEND")
    if wanted:
        if wanted not in BACKENDS:
            raise OptionError(
                f"KERAS_BACKEND is '{wanted}', and seewhy explains Keras models on "
                f"{', '.join(BACKENDS)}. Set KERAS_BACKEND to one of them, or unset it."
            )
        if not _is_installed(wanted):
            raise MissingFramework(
                f"KERAS_BACKEND is '{wanted}', but {BACKENDS[wanted]} is not installed. "
                f"Install it: pip install 'seewhy[{wanted}]'"
            )
        return wanted
    for name in BACKENDS:
        if name in sys.modules:
            return name
    for name in BACKENDS:
        if _is_installed(name):
            return name
    raise MissingFramework(
        "Keras needs TensorFlow, JAX or PyTorch, and none is installed. "
        "Install one: pip install 'seewhy[tensorflow]'"
    )


def import_keras() -> ModuleType:
    """Import Keras on the backend that `choose_backend` returns, and return it.

    Raises:
        MissingFramework: Keras or its backend is not installed.
    """
    if "keras" in sys.modules:
        return sys.modules["keras"]
    if not _is_installed("keras"):
        here = next(filter(_is_installed, BACKENDS), None)
        raise MissingFramework(
            "Keras is needed here, and is not installed. "
            + (
                f"Install it beside the {BACKENDS[here]} that is here: pip install keras"
                if here
                else "Install it: pip install 'seewhy[tensorflow]'"
            )
        )
    os.environ["KERAS_BACKEND"] = choose_backend()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with quiet_native_logs():
        return importlib.import_module("keras")


def keras_in_use() -> str:
    """Return Keras's version and backend: 'Keras 3.15.1 on TensorFlow'; '' if it is not loaded."""
    keras = sys.modules.get("keras")
    if keras is None:
        return ""
    return f"Keras {keras.__version__} on {BACKENDS[keras.backend.backend()]}"


def is_keras_installed() -> bool:
    """True if Keras can be imported, and a framework for it; nothing is imported to look."""
    return _is_installed("keras") and any(map(_is_installed, BACKENDS))


def _is_installed(module: str) -> bool:
    return module in sys.modules or importlib.util.find_spec(module) is not None


@contextlib.contextmanager
def without_random_weights() -> Iterator[None]:
    """Let layers start at 0 while a model is built whose weights are loaded right after, on JAX.

    JAX compiles a program for the random numbers of every new shape: for the built-in network they
    take most of the time to load it, and all of them are overwritten. Only this thread's layers
    start at 0; the other backends draw random numbers quickly, and are left alone.
    """
    import numpy as np

    keras = import_keras()
    if keras.backend.backend() != "jax":
        yield
        return
    kind = keras.initializers.VarianceScaling
    drawn, loading = kind.__call__, threading.get_ident()

    def start_at_zero(self: Any, shape: Any, dtype: Any = None) -> Any:
        if threading.get_ident() != loading:
            return drawn(self, shape, dtype=dtype)
        return np.zeros(shape, keras.backend.standardize_dtype(dtype))

    with _one_at_a_time:
        kind.__call__ = start_at_zero
        try:
            yield
        finally:
            kind.__call__ = drawn
