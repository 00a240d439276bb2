"""Explain the sample photo, a cat, with the network that comes with seewhy: make demo."""

from seewhy.commands.cli import main
from seewhy.photos.samples import SAMPLE

raise SystemExit(main(["explain", str(SAMPLE), "--out", "demo"]))
