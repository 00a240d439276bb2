"""The server: the protected application, and the loop that runs it."""

from __future__ import annotations

import contextlib
import hashlib
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from seewhy.classifier import Classifier
from seewhy.errors import OptionError
from seewhy.photos.reading import Photo
from seewhy.photos.samples import SAMPLE
from seewhy.progress import Progress
from seewhy.serving import answers
from seewhy.serving.api import Api, Model
from seewhy.serving.guard import Guard, refuse
from seewhy.serving.inner import Inner
from seewhy.serving.protocol import Protocol
from seewhy.serving.questions import PageQuestion
from seewhy.serving.shelf import Shelf
from seewhy.serving.stored import StoredRun
from seewhy.serving.work import Job, Worker

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

CONNECTIONS = 200
"""At a time; past this uvicorn answers 503."""


@dataclass(frozen=True)
class Loaded:
    """A network, and the arguments of `seewhy.load` that made it, for code to copy.

    Attributes:
        name: as the page shows it.
        classifier: the network.
        spec: its name or file.
        settings: size, labels and so on, where they were given.
    """

    name: str
    classifier: Classifier
    spec: str
    settings: Mapping[str, Any] = field(default_factory=dict)


def build_app(
    loaded: Sequence[Loaded],
    photos: Sequence[Path] = (),
    *,
    hosts: frozenset[str],
    token: str | None = None,
    shelf: Shelf | None = None,
    run: StoredRun | None = None,
    chunk_seconds: float | None = None,
) -> Starlette:
    """Return the application.

    Args:
        loaded: the models.
        photos: of the command line.
        hosts: the Host headers that are answered.
        token: what every request must know.
        shelf: where photos are kept; None: one of the usual size.
        run: results of `seewhy batch` to look through.
        chunk_seconds: what an upload may wait between two pieces; None: the usual.
    """
    files = static_files()

    async def page(request: Request) -> Response:
        return _file(files["index.html"], "index.html", request)

    async def static(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in files:
            return refuse(404, "There is no such file.")
        return _file(files[name], name, request)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        for model in api.models.values():
            model.worker.submit(warm_up(model.classifier))
        yield
        for model in api.models.values():
            model.worker.close()

    api = Api(
        models={
            model.name: Model(
                model.name,
                model.classifier,
                Worker(model.name),
                Inner(model.classifier),
                model.spec,
                model.settings,
            )
            for model in loaded
        },
        shelf=Shelf(list(photos)) if shelf is None else shelf,
        sample=SAMPLE.read_bytes(),
        run=run,
    )
    if run is not None:
        api.shelf.listed.update(run.listed)
    if chunk_seconds is not None:
        api.bodies.chunk_seconds = chunk_seconds
    app = Starlette(
        routes=[Route("/", page), Route("/static/{name:path}", static), *api.routes()],
        lifespan=lifespan,
    )
    app.add_middleware(Guard, hosts=hosts, token=token)
    app.state.api = api
    return app


def warm_up(classifier: Classifier) -> Job:
    """Return the question that compiles a model before the first photo comes.

    Errors here occur again with the first photo, and are reported there.
    """
    height, width = classifier.size
    grey = Photo(np.full((height, width, 3), 127, np.uint8), "grey")

    def work(progress: Progress) -> bytes:
        return answers.explained(classifier, grey, PageQuestion(), progress)

    return Job(work, lambda _kind, _value: None, quick=True)


def static_files() -> dict[str, bytes]:
    """Read the page's files, which are few and small."""
    folder = Path(str(resources.files("seewhy.serving"))) / "static"
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.suffix in TYPES
    }


def _file(content: bytes, name: str, request: Request) -> Response:
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=TYPES[Path(name).suffix], headers=headers)


def host_names(host: str, port: int) -> frozenset[str]:
    """Return the Host headers that are answered for a server at `host`:`port`."""
    names = {"127.0.0.1", "localhost"} if host in LOOPBACK else {host}
    if host in ("0.0.0.0", "::"):
        own = socket.gethostname()
        names = {"127.0.0.1", "localhost", own, own.lower()}
        with contextlib.suppress(OSError):
            names |= {str(address[4][0]) for address in socket.getaddrinfo(own, None)}
    names = {f"[{name}]" if ":" in name else name.lower() for name in names}
    return frozenset({f"{name}:{port}" for name in names} | (names if port == 80 else set()))


def check_host(host: str, token: str | None) -> None:
    """Refuse to be reachable from other machines without a token.

    Raises:
        OptionError: another host without --token, or a token that is easily guessed.
    """
    if host not in LOOPBACK and token is None:
        raise OptionError(
            f"--host {host} lets other machines in, so it needs --token. Choose a long word, such "
            "as the output of: python -c 'import secrets; print(secrets.token_urlsafe())'"
        )
    if token is not None and (len(token) < 16 or not token.isascii() or not token.isprintable()):
        raise OptionError("--token is too short or has odd letters. Give 16 plain letters or more.")


def bound_socket(host: str, port: int) -> socket.socket:
    """Take the port.

    Raises:
        OptionError: it is taken, or not allowed.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1" if host == "localhost" else host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise OptionError(
            f"Port {port} of {host} is not free: {error}. Choose another one: --port 8001"
        ) from error
    return listener


def server_of(app: Starlette) -> uvicorn.Server:
    """Return uvicorn with our protocol and timeouts."""
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="on",
        log_level="error",
        access_log=False,
        server_header=False,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=3,
        limit_concurrency=CONNECTIONS,
        backlog=128,
        proxy_headers=False,
    )
    return uvicorn.Server(config)
