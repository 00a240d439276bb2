"""Explain scikit-image's cat with the network that comes with seewhy: make demo."""

from pathlib import Path

import skimage.data

from seewhy.commands.cli import main

photo = Path(skimage.data.__file__).parent / "chelsea.png"
raise SystemExit(main(["explain", str(photo), "--out", "demo"]))
