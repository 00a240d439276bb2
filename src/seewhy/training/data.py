"""A folder of photos, one sub-folder per class: found, split, and decoded once.

Axes: n photo, h row, w column. Pixels are 8-bit RGB, stretched to the network's input size.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray

from seewhy.errors import OptionError, OutputError, PhotoError
from seewhy.photos.fitting import Fit, fit_photo
from seewhy.photos.reading import read_photo
from seewhy.training.workspace import check_room, fill

HEADER = 128
"""Bytes that describe the decoded photos in their file."""

SPLIT_FOLDERS = ("train", "val")
"""The two folders of a data set that comes already split."""


@dataclass(frozen=True)
class PhotoFolder:
    """What a folder of photos holds, before anything is decoded.

    Attributes:
        root: the folder.
        labels: the classes' names: the sub-folders', sorted.
        paths: every file, sorted by class and name.
        classes: (n) the class of each file.
        in_validation: (n) 1 for a file under val/, 0 for one under train/; None where
            they are not split yet.
    """

    root: Path
    labels: tuple[str, ...]
    paths: tuple[Path, ...]
    classes: Int[ndarray, " n"]
    in_validation: Int[ndarray, " n"] | None = None

    def fingerprint(self) -> str:
        """Return a number for the folder's file names and sizes: another folder has another."""
        digest = hashlib.sha256()
        for path in self.paths:
            digest.update(os.fsencode(path.relative_to(self.root)))
            digest.update(f"\0{path.stat().st_size}\n".encode())
        return digest.hexdigest()[:16]

    def only(self, indices: Int[ndarray, " m"]) -> PhotoFolder:
        """Return the folder with some of its files."""
        return PhotoFolder(
            self.root,
            self.labels,
            tuple(self.paths[index] for index in indices),
            self.classes[indices],
            None if self.in_validation is None else self.in_validation[indices],
        )


@dataclass(frozen=True)
class DecodedPhotos:
    """Photos, decoded once and kept, in 8 bits, at the network's input size.

    Attributes:
        pixels: (n, h, w, 3), in memory or on disk.
        classes: (n) the class of each.
        paths: the files they come from.
        unreadable: files that are not usable photos, and why; they are left out.
        indices: (n) which of the folder's files each one was.
    """

    pixels: UInt8[ndarray, "n h w 3"]
    classes: Int[ndarray, " n"]
    paths: tuple[Path, ...]
    unreadable: tuple[tuple[Path, str], ...]
    indices: Int[ndarray, " n"]


def find_classes(folder: str | os.PathLike[str]) -> PhotoFolder:
    """Find the photos of each class: FOLDER/class/photo, or FOLDER/train/... and FOLDER/val/...

    Hidden files and folders are passed over; photos may lie deeper inside a class's folder.

    Raises:
        OptionError: no such folder; no photos; one class only; a class with fewer than two
            photos; names that clash; other classes in val/ than in train/.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise OptionError(
            f"The folder '{root}' {what}. Give a folder with one sub-folder of photos per class."
        )
    tops = {entry.name.lower(): entry for entry in _folders(root)}
    if set(tops) == set(SPLIT_FOLDERS):
        train, val = (_class_files(tops[name]) for name in SPLIT_FOLDERS)
        if set(train) != set(val):
            odd = ", ".join(f"'{name}'" for name in sorted(set(train) ^ set(val)))
            raise OptionError(
                f"The folders train and val in '{root}' do not contain the same classes: {odd} "
                f"{'is' if odd.count(',') == 0 else 'are'} only in one of them. Give both the same "
                "sub-folders."
            )
        photo_folder = _joined(root, train)
        held = _joined(root, val)
        empty = [name for name in held.labels if not val[name]]
        if empty:
            raise OptionError(
                f"The folder '{root / 'val' / empty[0]}' contains no photos. Every class needs at "
                "least one photo to be measured on."
            )
        _check_classes(photo_folder)
        return PhotoFolder(
            root,
            photo_folder.labels,
            (*photo_folder.paths, *held.paths),
            np.concatenate([photo_folder.classes, held.classes]),
            np.repeat([0, 1], [len(photo_folder.paths), len(held.paths)]),
        )
    photo_folder = _joined(root, _class_files(root))
    _check_classes(photo_folder)
    return photo_folder


def split_photos(
    folder: PhotoFolder, *, share: float, seed: int
) -> tuple[Int[ndarray, " train"], Int[ndarray, " held"]]:
    """Return which files are trained on and which are held out: the same share of every class.

    Of each class, max(1, round(share · photos)) are drawn by `numpy.random.default_rng(seed)`,
    class by class; never all of them. A folder with train/ and val/ keeps its own split.

    """
    if folder.in_validation is not None:
        return np.flatnonzero(folder.in_validation == 0), np.flatnonzero(folder.in_validation == 1)
    generator = np.random.default_rng(seed)
    held = []
    for index in range(len(folder.labels)):
        members = np.flatnonzero(folder.classes == index)
        count = min(max(1, round(share * len(members))), len(members) - 1)
        held.append(generator.permutation(members)[:count])
    chosen = np.sort(np.concatenate(held))
    return np.setdiff1d(np.arange(len(folder.paths)), chosen), chosen


def sample_photos(folder: PhotoFolder, *, per_class: int | None, seed: int) -> PhotoFolder:
    """Return the folder with at most `per_class` photos of each class (and of each half)."""
    if per_class is None:
        return folder
    generator = np.random.default_rng(seed)
    halves = (
        folder.in_validation if folder.in_validation is not None else np.zeros_like(folder.classes)
    )
    keep: list[int] = []
    for half in np.unique(halves):
        for index in range(len(folder.labels)):
            members = np.flatnonzero((folder.classes == index) & (halves == half))
            keep.extend(generator.permutation(members)[:per_class])
    return folder.only(np.sort(keep))


def decode_photos(
    folder: PhotoFolder,
    *,
    size: tuple[int, int],
    store: Path,
    progress: Callable[[int, int], None],
) -> DecodedPhotos:
    """Decode every photo once, stretched to `size`, into the file `store` (mapped into memory).

    Args:
        folder: the files.
        size: height and width.
        store: where the decoded pixels lie while training runs; the caller removes it.
        progress: called with (done, total) photos.

    Raises:
        OptionError: a class has fewer than two readable photos.
        OutputError: `store` cannot be written.
    """
    fit = Fit(size=size, mode="stretch")
    total = len(folder.paths)

    def decoded(path: Path) -> UInt8[ndarray, "h w 3"] | str:
        try:
            return fit_photo(read_photo(path), fit)[0]
        except PhotoError as error:
            return str(error)

    shape = (total, *size, 3)
    count = math.prod(shape)
    try:
        check_room(store.parent, count + HEADER)
        pixels = np.lib.format.open_memmap(store, mode="w+", dtype=np.uint8, shape=shape)
        fill(store, pixels.offset, count)
    except OSError as error:
        store.unlink(missing_ok=True)
        raise OutputError(
            f"'{store}' cannot be written: {error.strerror or error}. The decoded photos take "
            f"{count / 2**20:.1f} MiB while training runs. Choose a place with that much room."
        ) from error
    readable: list[int] = []
    unreadable: list[tuple[Path, str]] = []
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        for index, photo in enumerate(pool.map(decoded, folder.paths, chunksize=16)):
            if isinstance(photo, str):
                unreadable.append((folder.paths[index], photo))
            else:
                pixels[len(readable)] = photo
                readable.append(index)
            progress(index + 1, total)
    kept = np.array(readable, np.int64)
    _check_readable(folder, kept)
    return DecodedPhotos(
        pixels[: len(kept)],
        folder.classes[kept],
        tuple(folder.paths[index] for index in readable),
        tuple(unreadable),
        kept,
    )


def balancing_weights(
    classes: Int[ndarray, " n"], count: int, *, balance: float = 1.0
) -> Float[ndarray, " k"]:
    """Return one weight per class, so that the mean over photos is 1.

        w[k] ∝ (1 / n[k]) ^ balance

    With balance 1 every class weighs the same, with 0 every photo does; between the two, frequent
    classes weigh more than rare ones, but less than their number says.
    """
    members = np.bincount(classes, minlength=count)
    weights = members ** -float(balance)
    return np.asarray(weights * len(classes) / (weights @ members), np.float32)


def _folders(root: Path) -> list[Path]:
    return sorted(e for e in root.iterdir() if e.is_dir() and not e.name.startswith("."))


def _class_files(root: Path) -> dict[str, list[Path]]:
    """Return the files below each sub-folder of `root`."""
    return {
        entry.name: sorted(
            path
            for path in entry.rglob("*")
            if path.is_file()
            and not any(part.startswith(".") for part in path.relative_to(entry).parts)
        )
        for entry in _folders(root)
    }


def _joined(root: Path, files: dict[str, list[Path]]) -> PhotoFolder:
    labels = tuple(sorted(files))
    return PhotoFolder(
        root,
        labels,
        tuple(path for label in labels for path in files[label]),
        np.repeat(np.arange(len(labels)), [len(files[label]) for label in labels]),
    )


def _check_classes(photo_folder: PhotoFolder) -> None:
    """Refuse what cannot be trained on."""
    root = photo_folder.root
    if not photo_folder.paths:
        raise OptionError(
            f"The folder '{root}' contains no photos in sub-folders. Give a folder with one "
            "sub-folder of photos per class."
        )
    if len(photo_folder.labels) < 2:
        raise OptionError(
            f"The folder '{root}' has one class only, '{photo_folder.labels[0]}'. A classifier "
            "needs at least two sub-folders of photos."
        )
    labels_by_key: dict[str, str] = {}
    for label in photo_folder.labels:
        if not label.isprintable():
            raise OptionError(
                f"The class folder {label!r} in '{root}' has a name that cannot be printed (bytes "
                "that are not UTF-8, or control characters). Rename it: a class is called by its "
                "folder's name."
            )
        key = label.strip().casefold()
        if key in labels_by_key:
            raise OptionError(
                f"The classes '{labels_by_key[key]}' and '{label}' in '{root}' have the same "
                "name, but for case or spaces. Rename or join the two folders."
            )
        labels_by_key[key] = label
    counts = np.bincount(photo_folder.classes, minlength=len(photo_folder.labels))
    for label, count in zip(photo_folder.labels, counts, strict=True):
        if count < 2:
            photos = "one photo" if count else "no photo"
            raise OptionError(
                f"The class '{label}' in '{root}' has {photos}. Every class needs at least two: "
                "one to train on and one to be measured on."
            )


def _check_readable(folder: PhotoFolder, kept: Int[ndarray, " m"]) -> None:
    """Refuse a class whose readable photos are too few to train on and to be measured on."""
    halves = (
        [("", kept, 2)]
        if folder.in_validation is None
        else [
            (f" in {name}/", kept[folder.in_validation[kept] == half], 1)
            for half, name in enumerate(SPLIT_FOLDERS)
        ]
    )
    for where, members, least in halves:
        counts = np.bincount(folder.classes[members], minlength=len(folder.labels))
        if counts.min() < least:
            label = folder.labels[int(counts.argmin())]
            photos = "one readable photo" if counts.min() else "no readable photo"
            raise OptionError(
                f"The class '{label}' in '{folder.root}' has {photos}{where}. Every class needs at "
                "least one to train on and one to be measured on."
            )
