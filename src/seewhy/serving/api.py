"""The HTTP routes of the page."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import unquote

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from seewhy.classifier import Classifier
from seewhy.errors import OptionError, OutputError, PhotoError, SeewhyError
from seewhy.files import in_one_direction
from seewhy.photos.reading import Photo
from seewhy.progress import Progress
from seewhy.serving import answers, costs
from seewhy.serving.bodies import Bodies, Refused
from seewhy.serving.frames import frame
from seewhy.serving.guard import refuse
from seewhy.serving.inner import Inner
from seewhy.serving.notes import Note
from seewhy.serving.questions import PageQuestion, read_json
from seewhy.serving.shelf import (
    UPLOAD_BYTES,
    Shelf,
    UnknownPhoto,
    clean_name,
    thumbnail,
)
from seewhy.serving.stored import KEY, StoredRun
from seewhy.serving.streams import Stream, sentence
from seewhy.serving.trust import trusted
from seewhy.serving.work import Busy, Worker
from seewhy.zoo.load import load

JSON_BYTES = 256 * 1024
"""Of a question."""

PROMPT_LETTERS = 10_000
"""Of all prompts together."""

THREADS = 4
"""That decode photos and shrink them: each keeps memory of its own."""


STREAM = "application/octet-stream"

NO_RUN = "There is no run with such a photo here. Name one when you start: seewhy serve RUN"

GONE_MESSAGE = "This photo is no longer in the server's memory. Drop it again."


@dataclass(eq=False)
class Model:
    """A model of the command line, with its queue and what is known of its inside.

    Attributes:
        name: as the page shows it.
        classifier: the network.
        worker: its thread.
        inner: what is known of its inside.
        spec, settings: the arguments of `seewhy.load` that made it, for code to copy.
    """

    name: str
    classifier: Classifier
    worker: Worker
    inner: Inner
    spec: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def name_classes(self, prompts: Any) -> None:
        """Load the network again, with other prompts as its classes; what is asked now goes on.

        Raises:
            OptionError: they are no prompts, or too many.
        """
        letters = sum(map(len, map(str, prompts))) if isinstance(prompts, list) else 0
        if letters > PROMPT_LETTERS:
            raise OptionError(f"The prompts have {letters:,} letters; {PROMPT_LETTERS:,} may be.")
        settings = {**self.settings, "prompts": prompts}
        classifier = load(self.spec, **settings)
        self.classifier, self.inner, self.settings = classifier, Inner(classifier), settings


@dataclass(eq=False)
class Api:
    """Everything that requests share."""

    models: dict[str, Model]
    shelf: Shelf
    sample: bytes | None = None
    run: StoredRun | None = None
    bodies: Bodies = field(default_factory=Bodies)
    threads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(THREADS))

    def routes(self) -> list[Route]:
        """Return the addresses under /api."""
        questions: dict[str, Callable[[Model], Answer]] = {
            name: _of_network(compute) for name, compute in ANSWERS.items()
        }
        questions |= {
            "code": _code_of,
            "field": lambda model: model.inner.field,
            "channels": lambda model: model.inner.channels,
            "features": lambda model: model.inner.features,
            "maximize": lambda model: model.inner.maximized,
        }
        return [
            Route("/api/about", self.about),
            Route("/api/sample", self.sampled),
            Route("/api/photos", self.upload, methods=["POST"]),
            Route("/api/photos/{id}", self.photo),
            Route("/api/prompts", self.prompted, methods=["POST"]),
            Route("/api/run", self.sifted),
            Route("/api/run/{number}", self.stored),
            Route("/api/run/{number}/note", self.noted, methods=["POST"]),
            *(
                Route(f"/api/{name}", self._answering(name, answer_of), methods=["POST"])
                for name, answer_of in questions.items()
            ),
        ]

    async def in_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Run what decodes beside the loop."""
        return await to_thread.run_sync(work, *arguments, limiter=self.threads)

    async def about(self, _request: Request) -> Response:
        """Say which models, methods and photos there are, and what is allowed."""
        return _json(
            {
                "models": [
                    answers.model_listed(model.name, model.classifier)
                    for model in self.models.values()
                ],
                "methods": answers.methods_listed(),
                "photos": [
                    {"id": photo.id, "name": clean_name(photo.path.name)}
                    for photo in self.shelf.listed.values()
                    if self.run is None
                ],
                "run": None if self.run is None else self.run.about(),
                "uploadBytes": UPLOAD_BYTES,
                "sample": self.sample is not None,
            }
        )

    async def sampled(self, _request: Request) -> Response:
        """Return the sample photo's file."""
        if self.sample is None:
            return refuse(404, "There is no sample photo here. Drop one of your own.")
        return Response(self.sample, media_type="image/png")

    async def prompted(self, request: Request) -> Response:
        """Make other prompts the classes of a network that compares images with texts."""
        try:
            asked = read_json(await self._json_body(request))
            name = str(asked.get("model", ""))
            model = self.models.get(name)
            if model is None or model.classifier.prompts is None or self.run is not None:
                return refuse(404, f"'{clean_name(name)}' has no prompts here that may change.")
            await self.in_thread(model.name_classes, asked.get("prompts"))
        except Refused as refused:
            return refused.response
        except SeewhyError as error:
            return refuse(400, sentence(error))
        return _json(answers.model_listed(model.name, model.classifier))

    async def sifted(self, request: Request) -> Response:
        """List the run's photos that ?class, ?right, ?low and ?high let through."""
        if self.run is None:
            return refuse(404, NO_RUN)
        try:
            return _json(await self.in_thread(self.run.sift, request.query_params))
        except OptionError as error:
            return refuse(400, str(error))

    async def stored(self, request: Request) -> Response:
        """Return the maps that the run stored for one of its photos."""
        number = request.path_params["number"]
        if self.run is None or f"{KEY}{number}" not in self.shelf.listed:
            return refuse(404, NO_RUN)
        try:
            content = await self.in_thread(self.run.explained, int(number))
        except PhotoError as error:
            return refuse(422, str(error))
        return Response(content, media_type=STREAM)

    async def noted(self, request: Request) -> Response:
        """Keep a tick and a note of one of the run's photos."""
        number = request.path_params["number"]
        if self.run is None or f"{KEY}{number}" not in self.shelf.listed:
            return refuse(404, NO_RUN)
        try:
            note = Note.of(read_json(await self._json_body(request)))
            await self.in_thread(self.run.note, int(number), note)
        except Refused as refused:
            return refused.response
        except OptionError as error:
            return refuse(400, str(error))
        except OutputError as error:
            return refuse(422, str(error))
        return _json(vars(note))

    async def _json_body(self, request: Request) -> bytes:
        """Read a body that says it is JSON.

        Raises:
            Refused: it does not say so, or is too large, or does not come.
        """
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Refused(415, "Send the question as JSON. Reload the page.")
        async with self.bodies.read(request, JSON_BYTES, "The question is") as content:
            return content

    async def photo(self, request: Request) -> Response:
        """Return a photo as JPEG, shrunk to ?side=... pixels."""
        side = request.query_params.get("side", "")
        pixels = int(side) if side.isdecimal() and len(side) < 6 else 4096
        try:
            content, size = await self.in_thread(self._thumbnail, request.path_params["id"], pixels)
        except UnknownPhoto:
            return refuse(404, GONE_MESSAGE)
        except PhotoError as error:
            return refuse(422, str(error))
        headers = {"Cache-Control": "private, max-age=3600", "X-Photo-Size": size}
        return Response(content, media_type="image/jpeg", headers=headers)

    def _thumbnail(self, key: str, side: int) -> tuple[bytes, str]:
        photo = self.shelf.get(key)
        height, width = photo.pixels.shape[:2]
        return thumbnail(photo, max(16, min(side, 4096))), f"{width}x{height}"

    async def upload(self, request: Request) -> Response:
        """Take one photo as the raw body; with ?model=... explain its best class in the same go."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind.startswith(("multipart/", "application/x-www-form-urlencoded")):
            return refuse(415, "Send one photo as the raw body of the request, not a form.")
        name = clean_name(unquote(request.headers.get("x-photo-name", "photo")))
        model = None
        if "model" in request.query_params:
            model = self.models.get(request.query_params["model"])
            if model is None:
                return refuse(404, _no_model(request.query_params["model"]))
        try:
            async with self.bodies.read(request, UPLOAD_BYTES, f"'{name}' is") as content:
                key = await self.in_thread(self.shelf.add, content, name)
        except Refused as refused:
            return refused.response
        except PhotoError as error:
            return refuse(422, str(error))
        photo = self.shelf.get(key)
        height, width = photo.pixels.shape[:2]
        head = frame({"kind": "photo", "id": key, "name": name, "width": width, "height": height})
        if model is None:
            return Response(head, media_type=STREAM)
        asked = PageQuestion(photo=key, model=model.name)
        try:
            stream = Stream(
                model.worker,
                lambda progress: answers.explained(model.classifier, photo, asked, progress),
                quick=True,
            )
        except Busy:
            # The photo is here all the same: the page asks again when the queue is shorter.
            return Response(
                head + frame({"kind": "busy", "message": BUSY_MESSAGE}), media_type=STREAM
            )
        return StreamingResponse(stream.frames(head), media_type=STREAM)

    def _answering(self, name: str, answer_of: Callable[[Model], Answer]) -> Any:
        async def handle(request: Request) -> Response:
            try:
                asked = PageQuestion.of(await self._json_body(request))
            except Refused as refused:
                return refused.response
            except SeewhyError as error:
                return refuse(400, sentence(error))
            model = self.models.get(asked.model)
            if model is None:
                return refuse(404, _no_model(asked.model))
            try:
                photo = await self.in_thread(self.shelf.get, asked.photo)
            except UnknownPhoto:
                return refuse(404, GONE_MESSAGE)
            except PhotoError as error:
                return refuse(422, str(error))
            compute = answer_of(model)
            try:
                stream = Stream(
                    model.worker,
                    lambda progress: compute(photo, asked, progress),
                    quick=name in QUICK_QUESTIONS
                    and not (name == "explain" and _is_slow(model, asked)),
                )
            except Busy:
                return refuse(429, BUSY_MESSAGE)
            return StreamingResponse(stream.frames(b""), media_type=STREAM)

        return handle


Answer = Callable[[Photo, PageQuestion, Progress], bytes]

ANSWERS: dict[str, Callable[[Classifier, Photo, PageQuestion, Progress], bytes]] = {
    "explain": answers.explained,
    "trust": trusted,
    "cover": answers.probed,
    "locate": answers.located,
    "cost": costs.cost,
    "npz": answers.numbers,
    "covered": answers.covered,
}
"""What computes the answer to a question that needs nothing but the network."""

QUICK_QUESTIONS = frozenset(
    {"explain", "cover", "covered", "code", "cost", "field", "channels", "features"}
)
"""Questions that may run between two batches of a slow one."""

BUSY_MESSAGE = "The model's queue is full (eight questions). Wait a moment, or cancel one."


def _of_network(compute: Callable[..., bytes]) -> Callable[[Model], Answer]:
    return lambda model: partial(compute, model.classifier)


def _is_slow(model: Model, asked: PageQuestion) -> bool:
    """What the network refuses is refused at once, by whoever computes the answer."""
    try:
        return costs.is_slow(model.classifier, asked.request)
    except SeewhyError:
        return False


def _code_of(model: Model) -> Answer:
    return lambda photo, asked, _: answers.code(
        model.classifier, photo, asked, model=model.spec, settings=model.settings
    )


def _no_model(name: str) -> str:
    return f"There is no model '{clean_name(name)}' here. Name it when you start: --model."


def _json(value: Any) -> Response:
    text = in_one_direction(json.dumps(value, allow_nan=False))
    return Response(text, media_type="application/json")
