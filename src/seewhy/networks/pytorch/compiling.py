"""A PyTorch forward pass that is compiled, and goes on uncompiled where that fails."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch

from seewhy.errors import SeewhyWarning


class CompiledCall:
    """Calls a model through `torch.compile`; after a failure, the model itself.

    The model is compiled at the first call, before which the compiler is not loaded, and again for
    another batch size. Its weights are read at each call, so that training it further needs no
    second compilation.

    Args:
        run: calls the model with images.
        name: the network's name in messages.
    """

    def __init__(self, run: Callable[[torch.Tensor], Any], *, name: str) -> None:
        self.run = run
        self.name = name
        self.compiled: Callable[[torch.Tensor], Any] | None = None
        self.has_failed = False

    def __call__(self, images: torch.Tensor) -> Any:
        """Return the model's output."""
        if self.has_failed:
            return self.run(images)
        try:
            self.compiled = self.compiled or torch.compile(self.run)
            return self.compiled(images)
        except RuntimeError as error:  # the compiler's; a model's own is raised again below
            self.has_failed = True
            output = self.run(images)
            warnings.warn(
                f"PyTorch cannot compile '{self.name}', so it is run without compiling: "
                f"{_reason(error)}",
                SeewhyWarning,
                stacklevel=2,
            )
            return output


def _reason(error: RuntimeError) -> str:
    """Return the first sentence of what the compiler says."""
    cause = getattr(error, "inner_exception", None) or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return f"{type(cause).__name__}: {lines[0][:200]}" if lines else type(cause).__name__
