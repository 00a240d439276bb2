"""`seewhy explain`: heatmaps over photos."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seewhy.commands.arguments import (
    CONTRAST,
    add_classes,
    add_layers,
    add_model,
    add_style,
    load_model,
    style_of,
)
from seewhy.commands.options import (
    add_methods,
    choose_applicable,
    choose_best,
    methods_and_options,
)
from seewhy.commands.parsing import FORMATS, add_photos, add_settings
from seewhy.errors import SeewhyError
from seewhy.settings import Setting
from seewhy.tables import aligned

if TYPE_CHECKING:
    from seewhy.classifier import Classifier
    from seewhy.commands.outputs import Outputs
    from seewhy.explaining.request import Request
    from seewhy.explaining.result import Explanation
    from seewhy.photos.reading import PhotoFailure

DRAWING_THREADS = 2
"""Threads that draw pictures while the network runs."""

PHOTOS_AHEAD = 24
"""Photos that are explained and not yet drawn, at most; their pixels are not kept."""

MANY_COPIES = 64
"""Copies of a photo from which on a method's cost is announced."""

RESULTS = (
    Setting("out", "text", "why", "the folder for pictures", metavar="DIR"),
    Setting("format", "choice", None, "format of pictures", FORMATS, shown="jpg; bare maps: png"),
    Setting(
        "show_patches", "boolean", False, "occlusion: save some occluded copies with their scores"
    ),
    Setting("bare_maps", "boolean", False, "also save each bare map as a picture"),
    Setting("save_maps", "boolean", False, "save the raw maps as .npz"),
    Setting("sheet", "boolean", False, "save one page of the best overlays"),
    Setting("resume", "boolean", False, "skip photos whose results are already in DIR"),
)
PRINT_SETTINGS = (
    Setting("json", "boolean", False, "print JSON to stdout"),
    Setting("jsonl", "boolean", False, "print a line of JSON per photo as soon as it is done"),
)

SAMPLE = Setting("sample", "boolean", False, "explain the photo of a cat that comes with seewhy")

HELP = "heatmaps over photos, for the best classes or those you name"
DESCRIPTION = "Show which places of each photo speak for a class."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add photos, the model, the question, and the results."""
    from seewhy.explaining.settings import BATCH_SIZE, BUDGET, ZOOM

    add_photos(parser, nargs="*")
    parser.set_defaults(refuse=parser.error)
    add_settings(parser, SAMPLE)
    add_model(parser)
    add_classes(parser)
    add_settings(parser, CONTRAST, ZOOM)
    add_methods(parser)
    add_settings(parser, BUDGET)
    add_layers(parser)
    add_settings(parser, BATCH_SIZE)
    add_style(parser)
    out = parser.add_argument_group("results")
    add_settings(out, *RESULTS)
    add_settings(out.add_mutually_exclusive_group(), *PRINT_SETTINGS)


def run(args: argparse.Namespace) -> int:
    """Explain photos as a stream; one that fails does not affect the others."""
    from seewhy.commands.outputs import Outputs
    from seewhy.commands.photos import sources_of
    from seewhy.explaining.budget import check_budget

    sources = sources_of(photos_of(args))
    if not sources:
        return 1
    style_of(args)
    check_budget(args.budget, args.method or ())
    if args.budget is None:
        request_of(args)  # what is wrong is told before a framework is loaded
    outputs = Outputs(args.out, sources)
    classifier = load_model(args)
    if args.budget is not None:
        choose_best(args, classifier)
    choose_applicable(args, classifier)
    job = CommandRun(args, classifier, request_of(args).settle(classifier), outputs)
    try:
        job.run(sources)
    except (KeyboardInterrupt, SeewhyError) as error:
        if job.done or isinstance(error, KeyboardInterrupt):  # print complete results even then
            job.finish()
        raise
    job.finish()
    return 1 if job.failed else 0


def photos_of(args: argparse.Namespace) -> list[str]:
    """Return the photos that are named, and the sample if asked for; none is wrong usage."""
    from seewhy.photos.samples import SAMPLE as FILE

    photos = [*args.photos, *([str(FILE)] if args.sample else [])]
    if not photos:
        args.refuse(
            "No photo is named. Name files, folders or globs, or try the one that comes with "
            "seewhy: seewhy explain --sample"
        )
    return photos


def request_of(args: argparse.Namespace) -> Request:
    """Return what the arguments ask."""
    from seewhy.explaining.request import Request

    methods, options = methods_and_options(args)
    names = ("top", "classes", "contrast", "layer", "output", "zoom", "batch_size")
    asked: dict[str, Any] = {name: getattr(args, name) for name in names}
    if methods:
        return Request.of(methods=methods, options=options, **asked)
    return Request.of(**asked, **options["cam"])


class CommandRun:
    """One run of the command: the question, the finished photos and the failures."""

    def __init__(
        self,
        args: argparse.Namespace,
        classifier: Classifier,
        request: Request,
        outputs: Outputs,
    ) -> None:
        from seewhy.commands.writing import Record
        from seewhy.explaining.drawing import LEAST_PROBABILITY

        self.args = args
        self.classifier = classifier
        self.request = request
        self.record = Record(Path(args.out), args, request, classifier, resume=args.resume)
        self.outputs = outputs
        self.outputs.keep(self.record.stems, self.record.mark)
        self.rows: list[dict[str, Any]] = []
        self.failed: list[str] = []
        self.cells: list[tuple[str, Any]] = []
        self.rounded: set[str] = set()
        self.done = 0
        self.least = LEAST_PROBABILITY if args.top is None else 0.0

    def run(self, sources: Sequence[Any]) -> None:
        """Explain the remaining photos; pictures are drawn in threads, in order."""
        from seewhy.commands.progress import progress_bar
        from seewhy.commands.writing import draw, key_of
        from seewhy.explaining.stream import stream_request
        from seewhy.photos.reading import PhotoFailure
        from seewhy.photos.threads import map_ahead

        left = self.resumed(sources)
        if not left:
            return
        self.announce_cost(left)
        with progress_bar("photos") as progress:
            items = stream_request(
                self.request, self.classifier, left, keep_pixels=False, progress=progress
            )

            def singles() -> Iterator[tuple[dict[str, Explanation], str] | PhotoFailure]:
                for item in items:
                    if isinstance(item, PhotoFailure):
                        yield item
                        continue
                    self.tell_rounding(item)
                    for index, photo in enumerate(next(iter(item.values())).photos):
                        alone = {
                            name: explanation.only(index) for name, explanation in item.items()
                        }
                        yield alone, self.outputs.stem(photo.name, key_of(photo.path or photo.name))

            def drawn(item: tuple[dict[str, Explanation], str] | PhotoFailure) -> Any:
                if isinstance(item, PhotoFailure):
                    return item
                return draw(*item, self.args, self.classifier, self.outputs)

            for result in map_ahead(
                drawn, singles(), threads=DRAWING_THREADS, ahead=PHOTOS_AHEAD, fill=False
            ):
                if isinstance(result, PhotoFailure):
                    self.fail(result)
                else:
                    self.record.add(result)
                    self.tell(result.rows, result.cell)

    def resumed(self, sources: Sequence[Any]) -> list[Any]:
        """Report the photos that are already done, and return the others."""
        left = []
        for source in sources:
            rows = self.record.rows_of(source)
            if rows is None:
                left.append(source)
                continue
            self.tell(rows, None)
        if len(left) < len(sources):
            sys.stderr.write(
                f"{len(sources) - len(left)} of {len(sources)} photos were done before.\n"
            )
        return left

    def announce_cost(self, sources: Sequence[Any]) -> None:
        """Print the cost before the first long sweep, from one timed batch."""
        from seewhy.explaining.estimating import estimate
        from seewhy.photos.reading import Photo, read_source

        names = [row.name for row in self.request.table if row.copies is not None]
        if not names:
            return
        photos = (read_source(source, fit=self.classifier.fit) for source in sources)
        photo = next((photo for photo in photos if isinstance(photo, Photo)), None)
        if photo is None:
            return
        for name in names:
            cost = estimate(
                self.classifier,
                photo,
                method=name,
                layer=self.request.layer,
                batch_size=self.request.batch_size,
                precision=self.request.precision,
                **self.request.options.get(name, {}),
            )
            if cost.copies >= MANY_COPIES:
                sys.stderr.write(f"{name}: {cost}\n")

    def fail(self, failure: PhotoFailure) -> None:
        """Record and report a photo that could not be explained."""
        self.failed.append(failure.name)
        sys.stderr.write(f"seewhy: {failure.reason}\n")

    def tell(self, rows: list[dict[str, Any]], cell: tuple[str, Any] | None) -> None:
        """Print or keep the result of a photo."""
        self.done += 1
        if cell is not None:
            self.cells.append(cell)
        for row in rows:
            if self.args.json:
                self.rows.append(row)
            elif self.args.jsonl:
                sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
            else:
                sys.stdout.write(table(row, named=bool(self.args.classes), least=self.least))
        if self.args.jsonl:
            sys.stdout.flush()

    def tell_rounding(self, explanations: dict[str, Explanation]) -> None:
        """Print how far maps are off where the network does not compute in float32; once."""
        for name, explanation in explanations.items():
            if explanation.rounding is not None and name not in self.rounded:
                self.rounded.add(name)
                sys.stderr.write(f"{name}: {explanation.rounding}\n")

    def finish(self) -> None:
        """Write the sheet and the JSON of the finished photos, and list the failures."""
        from seewhy.commands.writing import write_sheet

        self.record.close()
        if self.args.json:
            sys.stdout.write(json.dumps(self.rows, indent=2, ensure_ascii=False) + "\n")
        if self.cells:
            write_sheet(self.cells, self.args, self.outputs)
        if self.failed:
            total = len(self.failed) + self.done
            names = ", ".join(self.failed)
            sys.stderr.write(f"seewhy: {len(self.failed)} of {total} photos failed: {names}\n")


def table(row: dict[str, Any], *, named: bool = False, least: float = 0.0) -> str:
    """Return the text for one photo: classes with ranks, probabilities and peaks, and files.

    Args:
        row: of `Explanation.as_dict`, with 'files'.
        named: list only the classes that were named, without the best ones.
        least: leave out classes below this probability, unless they were named, but the best one.
    """
    peaks = {(target["label"], target["index"]): target for target in row["targets"]}
    shown = {} if named else {(best["label"], best["index"]): best for best in row["predictions"]}
    lines = [f"{row['photo']}  {row['method']} at {row['layer']}"]
    cells = []
    for place, entry in (
        shown | {key: target for key, target in peaks.items() if key not in shown}
    ).items():
        index = "" if entry["index"] is None else str(entry["index"])
        rank = "" if entry["rank"] is None else f"#{entry['rank']}"
        if not named and entry["rank"] not in (None, 1) and entry["probability"] < least:
            continue
        probability = "" if entry["probability"] is None else f"{entry['probability']:.4f}"
        peak = ""
        if place in peaks:
            at = peaks[place]["peak_at"]
            peak = "empty map" if at is None else f"peak {peaks[place]['peak']:.3g} at {at}"
        cells.append((entry["label"], index, rank, probability, peak))
    lines += aligned(cells, right=(1, 2, 3), indent="  ").removesuffix("\n").split("\n")
    errors = [target["bfloat16_error"] for target in row["targets"] if target.get("bfloat16_error")]
    if errors:
        lines.append(f"  bfloat16: off by {100 * max(errors):.2g} % of the map's largest value")
    from seewhy.classifier.familiarity import UNFAMILIAR

    if row["familiarity"] is not None and not row["familiarity"]["familiar"]:
        lines.append(f"  {UNFAMILIAR}, whatever the probabilities say")
    lines += [f"  {file}" for file in row["files"]]
    return "\n".join(lines) + "\n"
