"""Keep what a framework's native code writes while it starts off the user's terminal."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

from seewhy.errors import SeewhyError


@contextlib.contextmanager
def quiet_native_logs() -> Iterator[None]:
    """Hold back what goes to file descriptor 2 past Python; show it where an error is raised.

    TensorFlow's runtime logs before any setting of its own can reach it. What Python itself
    writes to `sys.stderr` is shown as ever.
    """
    try:
        terminal = os.dup(2)
    except OSError:  # no standard error at all
        yield
        return
    python_stderr = sys.stderr
    with (
        tempfile.TemporaryFile() as held,
        os.fdopen(terminal, "w", encoding="utf-8") as shown,
    ):
        os.dup2(held.fileno(), 2)
        if python_stderr is sys.__stderr__:
            sys.stderr = shown
        try:
            yield
        except SeewhyError:  # its message says all
            raise
        except BaseException:
            held.seek(0)
            os.write(terminal, held.read())
            raise
        finally:
            sys.stderr = python_stderr
            shown.flush()
            os.dup2(terminal, 2)
