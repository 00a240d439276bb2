"""See why an image network decided what it decided."""

__version__ = "0.1.0"
