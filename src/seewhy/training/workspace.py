"""The folder of a training run: what a continued run needs, its report, and room on the disk."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seewhy.errors import ModelError, OptionError, OutputError
from seewhy.files import parse_json, write_whole
from seewhy.training.recipe import Recipe
from seewhy.zoo.keras_files import read_metadata

RECIPE = "recipe.json"
"""A run's own file about itself; it is there while the run can be resumed."""

PHOTOS = "photos.npy"
STATES = ("state.npz", "state_fine.npz", "features.npy", "maps.npy")
CHUNK = 2**20
REPORT = ("log.csv", "curves.png", "confusion.png", "report.html", "report.json")


@dataclass(frozen=True)
class Workspace:
    """The folder NAME.training beside the network that a run writes.

    Attributes:
        network: the `.keras` file to write.
        recipe: the run's settings.
        photos: the folder that the photos come from.
        fingerprint: of these photos' names and sizes.
    """

    network: Path
    recipe: Recipe
    photos: Path
    fingerprint: str

    @property
    def folder(self) -> Path:
        """The folder itself."""
        return self.network.with_suffix(".training")

    @property
    def provenance(self) -> dict[str, Any]:
        """What the network's file tells about the run that made it."""
        return {"recipe": self.recipe.as_json(), "photos": self.fingerprint}

    def open(self, *, resume: bool, overwrite: bool) -> None:
        """Make the folder ready: for a new run, or for one to be continued.

        Raises:
            OptionError: a network or an interrupted run is there and may not be replaced; or there
                is no such run to resume.
            OutputError: the folder cannot be made.
        """
        if self.network.suffix != ".keras":
            raise OptionError(
                f"The network cannot be saved as '{self.network}'. Give a file name that ends in "
                ".keras."
            )
        source, folder = self.photos.resolve(), self.folder.resolve()
        if source.is_relative_to(folder) or folder.is_relative_to(source):
            raise OptionError(
                f"The run's own folder '{self.folder}' and the photos in '{self.photos}' would be "
                "in each other. Choose another output file."
            )
        if resume:
            self._check_same_run()
        may_write = overwrite or (resume and self._wrote_network())
        if self.network.exists() and not may_write:
            raise OptionError(
                f"'{self.network}' exists. Choose another file, or replace it with --overwrite."
            )
        if resume:
            return
        if (self.folder / RECIPE).exists() and not overwrite:
            raise OptionError(
                f"'{self.folder}' contains an interrupted run. Continue it with --resume, or start "
                "over with --overwrite."
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for name in (RECIPE, PHOTOS, *STATES, *REPORT):
                (self.folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(
                f"The folder '{self.folder}' cannot be made: {error.strerror or error}. Choose a "
                "place that can be written to."
            ) from error

    @contextlib.contextmanager
    def decoded_photos(self) -> Iterator[Path]:
        """Yield where the decoded photos go; they are removed again, however the run ends."""
        try:
            yield self.folder / PHOTOS
        finally:
            _remove(self.folder / PHOTOS)
            with contextlib.suppress(OSError):  # there is something to keep
                self.folder.rmdir()

    def note(self) -> None:
        """Write the run's settings: from now on it can be resumed."""
        facts = self.provenance | {"folder": str(self.photos)}
        write_whole(self.folder / RECIPE, json.dumps(facts, indent=1).encode())

    def close(self) -> None:
        """Remove what only an interrupted run needs."""
        for name in (*STATES, RECIPE):
            _remove(self.folder / name)

    def _check_same_run(self) -> None:
        """Refuse to continue a run with other settings."""
        path = self.folder / RECIPE
        if not path.is_file():
            raise OptionError(
                f"There is no run to resume: '{path}' does not exist. Leave --resume out to start "
                "one."
            )
        try:
            stored = parse_json(path.read_bytes())
            recipe, photos, folder = (stored[name] for name in ("recipe", "photos", "folder"))
            if not isinstance(recipe, dict):
                raise TypeError("a recipe is a table")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise OptionError(
                f"The run to resume cannot be read: '{path}' is damaged. Start over without "
                "--resume (and with --overwrite)."
            ) from error
        if photos != self.fingerprint:
            raise OptionError(
                f"The run to resume was trained on the photos in '{folder}', and '{self.photos}' "
                "contains different ones. Give the same folder with the same photos, or start over "
                "without --resume (and with --overwrite)."
            )
        for name, value in self.recipe.as_json().items():
            if recipe.get(name) != value:
                raise OptionError(
                    f"The run to resume has {name}={recipe.get(name)}, not {name}={value}. Give "
                    "the same options, or start over without --resume (and with --overwrite)."
                )

    def _wrote_network(self) -> bool:
        """Return whether the network that is there was written by this very run.

        A run that was killed after it saved the network has only its report left to write.
        """
        try:
            return read_metadata(self.network).get("training") == self.provenance
        except ModelError:
            return False


def check_room(folder: Path, size: int) -> None:
    """Check that a folder's disk has room for a file.

    Raises:
        OSError: it has not; says how much it has.
    """
    free = shutil.disk_usage(folder).free
    if free < size:
        raise OSError(28, f"the disk has {free / 2**20:.1f} MiB left")


def fill(path: Path, start: int, size: int) -> None:
    """Give part of a file its place on the disk: writing into a hole on a full disk is fatal.

    Raises:
        OSError: there is no room.
    """
    with path.open("r+b") as stream:
        if allocate := getattr(os, "posix_fallocate", None):
            allocate(stream.fileno(), start, size)
            return
        # macOS and Windows have no such call.
        stream.seek(start)
        for done in range(0, size, CHUNK):
            stream.write(bytes(min(CHUNK, size - done)))


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # Windows keeps a file that is still mapped
        path.unlink(missing_ok=True)
