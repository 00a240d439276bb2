"""What a folder of photos costs, in ratios to the plain loop: decode, fit, run the network.

    python benchmarks/folder.py FOLDER                        the built-in network
    python benchmarks/folder.py FOLDER --model "mobilenet?alpha=0.75&weights=FILE" --repeat 10
    python benchmarks/folder.py FOLDER --memory               12 megapixels each: what memory takes
    python benchmarks/folder.py FOLDER --workers              one worker against the loop, and two

Every round times the plain loop and each way after the other, and the medians of the rounds' ratios
are printed, of the time that passed and of the processors' time; on a busy machine, many short
rounds and their best say more (--rounds 12 --repeat 2). Then, one photo at a time and in
one thread, where the time goes.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import seewhy
from seewhy.commands.cli import main
from seewhy.explaining.drawing import draw_photo
from seewhy.photos.fitting import fit_photo
from seewhy.photos.reading import find_photos, read_photo
from seewhy.rendering.saving import save_picture
from seewhy.rendering.style import DEFAULT_STYLE

BATCH = 8


def plain(classifier: Any, paths: list[Path]) -> None:
    for start in range(0, len(paths), BATCH):
        pixels, _ = classifier.fit_photos([read_photo(one) for one in paths[start : start + BATCH]])
        classifier.network.scores(classifier.to_input(pixels))


def maps_only(classifier: Any, paths: list[Path]) -> None:
    for _ in seewhy.stream(classifier, paths, top=3, batch_size=BATCH):
        pass


def pictures(paths: list[Path], out: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        code = main(["explain", *map(str, paths), "--top", "3", "--out", str(out)])
    assert code == 0


def run_of(classifier: Any, paths: list[Path], out: Path) -> None:
    seewhy.batch(classifier, paths, out, top=3, batch_size=BATCH)


@contextlib.contextmanager
def loaded(classifier: Any) -> Iterator[None]:
    """Let the command use a network that is loaded and compiled already."""
    zoo = importlib.import_module("seewhy.zoo.load")
    before = zoo.load
    zoo.load = lambda *_, **__: classifier
    try:
        yield
    finally:
        zoo.load = before


def both(work: Callable[[], Any]) -> np.ndarray:
    """Return the seconds that pass, and those that the processors spend."""
    before = np.array([time.perf_counter(), time.process_time()])
    work()
    return np.array([time.perf_counter(), time.process_time()]) - before


def ratios(classifier: Any, paths: list[Path], rounds: int, folder: Path) -> None:
    ways: dict[str, Callable[[list[Path]], None]] = {
        "maps only": lambda some: maps_only(classifier, some),
        "a run (Parquet)": lambda some: run_of(classifier, some, fresh(folder / "run")),
        "pictures of the top 3": lambda some: pictures(some, fresh(folder / "why")),
    }
    found: dict[str, list[np.ndarray]] = {name: [] for name in ways}
    starts: dict[str, list[np.ndarray]] = {name: [] for name in ways}
    loops = []
    with loaded(classifier):
        for way in ways.values():
            way(paths[:1])  # imports, compiles
        for _ in range(rounds):
            loops.append(both(lambda: plain(classifier, paths)))
            for name, way in ways.items():
                starts[name].append(both(lambda way=way: way(paths[:1])))
                found[name].append(both(lambda way=way: way(paths)))
    wall, work = 1000 * np.median(loops, axis=0) / len(paths)
    best = 1000 * np.min(loops, axis=0)[0] / len(paths)
    print(f"{len(paths)} photos; plain loop: {wall:.1f} ms each (best round {best:.1f}), ", end="")
    print(f"{work:.1f} ms of the processors")
    for name in ways:
        start = np.median(starts[name], axis=0)
        rows = [(row - start) / loop for row, loop in zip(found[name], loops, strict=True)]
        wall, work = np.median(rows, axis=0)
        best = np.min(found[name], axis=0) - np.min(starts[name], axis=0)
        quick = (best / np.min(loops, axis=0))[0]
        print(
            f"{name}: {wall:.2f} of the plain loop (best rounds {quick:.2f}), {work:.2f} of its "
            f"processors' time; {1000 * start[0]:.0f} ms to start"
        )


def fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def parts(classifier: Any, paths: list[Path], out: Path) -> None:
    spent = dict.fromkeys(("decode", "fit", "network", "map", "draw", "encode"), 0.0)

    def timed(name: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        found = work()
        spent[name] += time.perf_counter() - start
        return found

    for path in paths:
        photo = timed("decode", lambda path=path: read_photo(path))
        timed("fit", lambda photo=photo: fit_photo(photo, classifier.fit))
        pixels, _ = classifier.fit_photos([photo])
        images = classifier.to_input(pixels)
        start = time.perf_counter()
        classifier.network.scores(images)
        spent["network"] += time.perf_counter() - start
        spent["map"] -= time.perf_counter() - start
        found = timed("map", lambda photo=photo: seewhy.explain(classifier, photo, top=3))
        page = timed("draw", lambda found=found: draw_photo(found, 0, DEFAULT_STYLE))
        timed("encode", lambda page=page: save_picture(page, out / "page.jpg", of_photo=True))
    print("one photo at a time:", end=" ")
    print(", ".join(f"{name} {1000 * one / len(paths):.1f} ms" for name, one in spent.items()))


def memory(classifier: Any, paths: list[Path], count: int, folder: Path) -> None:
    """Measure the peak of memory above the model, for photos of 12 megapixels made of `paths`."""
    tiles = [Image.open(one).convert("RGB").resize((800, 750)) for one in paths[:20]]
    large = Image.new("RGB", (4000, 3000))
    for number in range(20):
        row, column = divmod(number, 5)
        large.paste(tiles[number % len(tiles)], (column * 800, row * 750))
    made = [folder / f"{number:03}.jpg" for number in range(count)]
    large.save(made[0], quality=90)
    for one in made[1:]:
        os.link(made[0], one)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ways: dict[str, Callable[[], None]] = {
        "a run (Parquet)": lambda: run_of(classifier, made, folder / "run"),
        "pictures of the top 3": lambda: pictures(made, folder / "why"),
        "seewhy.stream": lambda: maps_only(classifier, made),
    }
    with loaded(classifier):
        for name, way in ways.items():  # in this order: the peak never falls
            start = time.perf_counter()
            way()
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            took = (time.perf_counter() - start) / count
            print(
                f"{count} photos of 12 megapixels, {name}: {(peak - before) / 1e6:.2f} GB above "
                f"the model, {1000 * took:.0f} ms a photo",
                flush=True,
            )


def workers(model: str, paths: list[Path], rounds: int, folder: Path) -> None:
    """Compare one worker with the plain loop, and with two workers.

    The loop runs here, the worker in a process of its own, each on all cores; then one worker and
    two, each on a core of its own and with one thread.
    """
    listed = folder / "photos.txt"
    code = (
        "import sys, time, seewhy\n"
        "model, photos, out, workers, size = sys.argv[1:]\n"
        "last = [0.0, 0.0]\n"
        "def note(done, total):\n"
        "    last[0] = last[0] or time.perf_counter(); last[1] = time.perf_counter()\n"
        "    first.append(done)\n"
        "first = []\n"
        "seewhy.batch(model, photos, out, top=3, workers=int(workers), shard_size=64, "
        "progress=note)\n"
        "print((int(size) - first[0]) / (last[1] - last[0]))\n"
    )
    listed.write_text("\n".join(map(str, paths)) + "\n")
    one = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"), "1")
    network = seewhy.load(model)
    plain(network, paths[:BATCH])  # compiles

    def loop_rate() -> float:
        start = time.perf_counter()
        plain(network, paths)
        return len(paths) / (time.perf_counter() - start)

    def rate(count: int, cores: str, threads: dict[str, str]) -> float:
        out = fresh(folder / "run")
        command = ["taskset", "-c", cores, sys.executable, "-c", code, model, listed, out]
        done = subprocess.run(
            [*map(str, command), str(count), str(len(paths))],
            env=os.environ | threads,
            capture_output=True,
            text=True,
            check=True,
        )
        return float(done.stdout.split()[-1])

    cores = f"0-{(os.cpu_count() or 1) - 1}"
    rates = np.array(
        [
            [loop_rate(), rate(1, cores, {}), rate(1, "0", one), rate(2, "0,1", one)]
            for _ in range(rounds)
        ]
    )
    loop, alone, single, two = np.median(rates, axis=0)
    print(f"plain loop: {loop:.1f} photos a second; one worker: {alone:.1f}, ", end="")
    print(f"{np.median(rates[:, 1] / rates[:, 0]):.2f} of the plain loop's rate")
    print(f"one worker on one core: {single:.1f} photos a second; two on two: {two:.1f}, ", end="")
    print(f"{np.median(rates[:, 3] / rates[:, 2]):.2f} times as many")


def repeated(paths: list[Path], times: int, folder: Path) -> list[Path]:
    """Copy photos under several names."""
    made = []
    for number in range(times):
        for path in paths:
            made.append(folder / f"{number:02}-{path.name}")
            shutil.copy(path, made[-1])
    return made


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="built-in")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeat", type=int, default=1, help="use each photo so many times")
    parser.add_argument("--memory", type=int, nargs="?", const=200, metavar="PHOTOS")
    parser.add_argument("--workers", action="store_true")
    arguments = parser.parse_args()
    photos = [Path(one) for one in find_photos(arguments.folder)]
    with tempfile.TemporaryDirectory() as place:
        here = Path(place)
        (here / "photos").mkdir()
        if arguments.workers:
            many = repeated(photos, arguments.repeat, here / "photos")
            workers(arguments.model, many, arguments.rounds, here)
            raise SystemExit
        network = seewhy.load(arguments.model)
        maps_only(network, photos[:BATCH])  # compiles
        plain(network, photos[:BATCH])
        if arguments.memory:
            memory(network, photos, arguments.memory, here)
            raise SystemExit
        many = repeated(photos, arguments.repeat, here / "photos")
        ratios(network, many, arguments.rounds, here)
        parts(network, photos[:40], here)
