"""What makes a Keras model quicker and never truer: re-run windows, bfloat16, kernels' memory."""

from __future__ import annotations
