"""torchvision beside a PyTorch of another build lacks its compiled operators.

No classification network needs them, but the import does. Where they are missing, their names are
declared, so that torchvision can be imported.
"""

from __future__ import annotations

from typing import Any

import torch

_DECLARED: list[Any] = []


def declare_missing_operators() -> None:
    """Declare the operators that importing torchvision asks for, where they are missing."""
    if _DECLARED or hasattr(torch.ops.torchvision, "nms"):
        return
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _DECLARED.append(library)
