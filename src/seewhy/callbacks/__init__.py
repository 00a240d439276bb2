"""Callbacks: heatmaps of fixed photos while a network trains, in the frameworks' own loops."""

from __future__ import annotations

from seewhy.callbacks.following import for_keras, for_lightning, for_transformers

__all__ = ["for_keras", "for_lightning", "for_transformers"]
