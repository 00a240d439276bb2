"""The Hugging Face hub without a network: its cache answers at once, or nothing does."""

from __future__ import annotations

import contextlib
import socket
import urllib.parse
import urllib.request
from collections.abc import Iterator

HUB_SECONDS = 5.0
"""Seconds that one try to reach the hub may take."""


@contextlib.contextmanager
def one_try() -> Iterator[None]:
    """Ask only the hub's cache where the hub cannot be reached.

    Its client tries every address five times, which takes most of a minute for a network of timm.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE or is_reachable(constants.ENDPOINT):
        yield
        return
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = False


def is_reachable(address: str) -> bool:
    """True where a connection to an address can be opened, or a proxy would open it."""
    parts = urllib.parse.urlsplit(address)
    if parts.hostname is None or parts.scheme in urllib.request.getproxies():
        return True
    port = parts.port or (80 if parts.scheme == "http" else 443)
    try:
        with socket.create_connection((parts.hostname, port), timeout=HUB_SECONDS):
            return True
    except OSError:
        return False
