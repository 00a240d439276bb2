"""`seewhy serve`: the web page."""

from __future__ import annotations

import argparse
import importlib.util
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seewhy.commands.arguments import (
    add_model,
    default_model,
    each_model,
    load_model,
    model_settings,
)
from seewhy.commands.parsing import add_settings
from seewhy.errors import MissingFramework, OptionError
from seewhy.settings import Setting

if TYPE_CHECKING:
    from seewhy.serving.server import Loaded
    from seewhy.serving.stored import StoredRun

SERVER = (
    Setting("port", "integer", 8000, "port of the page; 0: any free port", (0, 65535)),
    Setting(
        "host",
        "text",
        "127.0.0.1",
        "the address to listen on; any but this machine's own needs --token",
        metavar="H",
    ),
    Setting(
        "token",
        "text",
        None,
        "a secret of 16 characters or more that the page requires",
        metavar="T",
    ),
    Setting("open", "boolean", False, "open the browser"),
)

HELP = "a web page: drop a photo, see why"
DESCRIPTION = "Serve a web page that explains photos, on this machine. No data leaves it."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add photos or a run, the address, and the models."""
    parser.add_argument(
        "photos",
        nargs="*",
        metavar="PHOTO",
        help="files, folders or globs to start with, or one folder that seewhy batch wrote",
    )
    add_settings(parser, *SERVER)
    add_model(parser, several=True)


def run(args: argparse.Namespace) -> int:
    """Load the models, take the port, and serve until Ctrl-C."""
    for package in ("starlette", "uvicorn"):
        if importlib.util.find_spec(package) is None:
            raise MissingFramework(
                f"The page needs {package}, which is not installed. Install it: "
                "pip install 'seewhy[serve]'"
            )
    from seewhy.photos.reading import find_photos
    from seewhy.serving.server import (
        LOOPBACK,
        bound_socket,
        build_app,
        check_host,
        host_names,
        server_of,
    )

    check_host(args.host, args.token)
    stored = find_run(args.photos)
    paths = find_photos(args.photos) if args.photos and stored is None else []
    listener = bound_socket(args.host, args.port)
    port = listener.getsockname()[1]
    app = build_app(
        load_models(args, stored),
        paths,
        hosts=host_names(args.host, port),
        token=args.token,
        run=stored,
    )
    if args.host not in LOOPBACK:
        sys.stderr.write(
            f"seewhy: warning: {args.host} can be reached by other machines, without encryption. "
            "Whoever knows the token sees the photos.\n"
        )
    name = f"[{args.host}]" if ":" in args.host else args.host
    address = f"http://{name}:{port}/" + (f"?token={args.token}" if args.token else "")
    sys.stderr.write(f"Open {address} (Ctrl-C stops)\n")
    if args.open:
        webbrowser.open(address)
    server_of(app).run(sockets=[listener])
    return 0


def find_run(sources: Sequence[str]) -> StoredRun | None:
    """Open the run where its folder is named; None for photos.

    Raises:
        OptionError: a folder of results without its run.json, or a run beside something else.
    """
    from seewhy.datasets.reading import is_run

    folders = [Path(source) for source in sources if is_run(Path(source))]
    if not folders:
        return None
    if len(sources) > 1:
        raise OptionError(f"A run is shown alone. Name '{folders[0]}' and nothing else.")
    from seewhy.serving.stored import StoredRun

    return StoredRun(folders[0])


def load_models(args: argparse.Namespace, stored: StoredRun | None = None) -> list[Loaded]:
    """Load every --model, or the run's own; two of one name are numbered.

    Raises:
        OptionError: a setting was given several times, and not once for each model.
    """
    from seewhy.serving.server import Loaded

    loaded: dict[str, Loaded] = {}
    for model_args in each_model(args):
        if model_args.model is None and stored is not None:
            model_args.model, settings = stored.load_arguments()
            for name, value in settings.items():
                if getattr(model_args, name, None) is None:
                    setattr(model_args, name, value)
        classifier = load_model(model_args)
        name, count = classifier.name, 1
        while name in loaded:
            count += 1
            name = f"{classifier.name} ({count})"
        loaded[name] = Loaded(
            name, classifier, model_args.model or default_model(), model_settings(model_args)
        )
    return list(loaded.values())
