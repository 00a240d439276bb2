"""A worker process: `python -m seewhy.datasets.worker RUN` reads from stdin, one a line.

First the network, as the user named it: {"name": ..., "settings": ..., "folder": ...}; run.json
may come from anybody. Then tasks, each of which it answers on stdout with lines of JSON:
{"ready": true}, {"advance": photos}, {"done": counts} or {"error": ..., "message": ...}. It
says which photo it begins, which it has done, and that it still works: {"begin": [path]}, {"end":
paths}, {"working": []}. When stdin ends, as it does when the parent dies, the worker stops at once,
in the middle of a photo.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

from seewhy.datasets.plan import load_job
from seewhy.datasets.question import ModelArguments
from seewhy.datasets.shards import Task, run_task
from seewhy.datasets.storage import Folder
from seewhy.errors import SeewhyError
from seewhy.zoo.own_code import own_failure


def main(place: str) -> int:
    """Serve one parent until it closes stdin."""
    # Libraries print; only what this module says may reach the parent.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")

    saying = threading.Lock()

    def say(**message: Any) -> None:
        with saying:
            answers.write(json.dumps(message) + "\n")
            answers.flush()

    tasks: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(tasks.put,), daemon=True).start()
    try:
        model = ModelArguments(**json.loads(tasks.get()))
        with contextlib.suppress(OSError):
            os.chdir(model.folder)  # of this process alone: names of files hold there
        job = load_job(Folder.of(place), model)
        say(ready=True)
        while True:
            task = Task(**json.loads(tasks.get()))
            counts = run_task(
                job,
                task,
                lambda photos: say(advance=photos),
                tell=lambda what, paths: say(**{what: list(paths)}),
            )
            say(done=vars(counts))
    except SeewhyError as error:
        say(error=type(error).__name__, message=str(error))
        return 1
    except Exception as error:
        failure = own_failure(error)
        if failure is not None:
            say(error=type(failure).__name__, message=str(failure))
        raise


def _listen(put: Callable[[str], None]) -> None:
    for line in sys.stdin:
        put(line)
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
