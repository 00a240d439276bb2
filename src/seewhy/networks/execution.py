"""How a network computes: its precision, and what the machine offers."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from seewhy.errors import ModelError
from seewhy.incremental.kernels import Precision

UNITS = frozenset({"amx_bf16", "avx512_bf16", "bf16"})
"""The flags of processors that multiply bfloat16 in units of their own: Intel's AMX, AVX-512, and
ARM's BF16."""

CPUINFO = Path("/proc/cpuinfo")
"""Where Linux lists them."""

OLDEST_GPU = (8, 0)
"""The compute capability from which on NVIDIA's GPUs have bfloat16 units."""


@dataclass(frozen=True)
class Execution:
    """How a network computes.

    Attributes:
        precision: "float32", or "bfloat16": float32's range, 8 bits of it exact.
    """

    precision: Precision = "float32"

    def __str__(self) -> str:
        return self.precision


EXACT = Execution()
"""How a network computes unless asked otherwise."""


def processor_has_units() -> bool:
    """Return whether this machine's processor has bfloat16 units; False where it cannot be told.

    Linux lists them for every processor; on other systems PyTorch is asked, if it is loaded.
    """
    if CPUINFO.exists():
        lines = CPUINFO.read_text("utf-8", errors="replace").lower().splitlines()
        fields = (line.partition(":") for line in lines)
        return any(
            not UNITS.isdisjoint(value.split())
            for name, _, value in fields
            if name.strip() in ("flags", "features")
        )
    ask = getattr(getattr(sys.modules.get("torch"), "cpu", None), "get_capabilities", dict)
    return any(bool(has) for flag, has in ask().items() if flag in UNITS)


def check_capability(capability: tuple[int, int] | str | None, name: str) -> None:
    """Refuse bfloat16 on one of NVIDIA's GPUs that would gain nothing from it.

    Args:
        capability: its compute capability, (8, 0) or '8.0'; None where it is not known.
        name: the GPU's name.

    Raises:
        ModelError: it has no bfloat16 units.
    """
    if isinstance(capability, str):
        major, _, minor = capability.partition(".")
        capability = int(major), int(minor or 0)
    if capability is not None and tuple(capability) < OLDEST_GPU:
        raise ModelError(
            f"The GPU '{name}' has no bfloat16 units, which NVIDIA's GPUs have from compute "
            "capability 8.0 on."
        )


def check_processor() -> None:
    """Refuse bfloat16 where the processor would gain nothing from it.

    Raises:
        ModelError: it has no bfloat16 units.
    """
    if not processor_has_units():
        raise ModelError(
            "This processor has no bfloat16 units (AMX, AVX512_BF16 or ARM's BF16), so bfloat16 "
            "would not be faster."
        )
