"""What makes a PyTorch module quicker and never truer: re-running windows, bfloat16, fusing."""

from __future__ import annotations
