"""What is printed is safe for a terminal, and a reader that goes away does not stop the work."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from seewhy.commands import cli
from seewhy.commands.terminal import Printer, safe_output

SEEWHY = [sys.executable, "-m", "seewhy"]


def printed(text: str, encoding: str = "utf-8") -> str:
    content = io.BytesIO()
    stream = io.TextIOWrapper(content, encoding=encoding, newline="")
    printer = Printer(stream)
    assert printer.write(text) == len(text)
    printer.flush()
    return content.getvalue().decode(encoding)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("plain, naïve, 猫\tand\n", "plain, naïve, 猫\tand\n"),
        ("\x1b]0;title\x07", r"\u001b]0;title\u0007"),
        ("\x9b31m\x7f", r"\u009b31m\u007f"),
        ("a\rb", r"a\rb"),
        ("gpj.\u202etac", r"gpj.\u202etac"),
        ("caf\udce9.jpg", r"caf\udce9.jpg"),
    ],
)
def test_control_codes_and_bytes_that_are_not_text_are_escaped(text: str, safe: str) -> None:
    assert printed(text) == safe


def test_what_the_terminal_cannot_show_is_escaped() -> None:
    assert printed("naïve 🐱", "ascii") == r"na\u00efve \ud83d\udc31"


def test_json_reads_back_what_was_escaped() -> None:
    name = "\x1b]0;\x07\x9b\u202e\udce9\x7f🐱.jpg"
    for encoding in ("utf-8", "ascii"):
        text = printed(json.dumps({"photo": name}, ensure_ascii=False, indent=1), encoding)
        assert json.loads(text) == {"photo": name}


class Full(io.StringIO):
    def write(self, _: str) -> int:
        raise OSError(28, "No space left on device")


def test_output_that_cannot_be_written_does_not_stop_the_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", Full())
    assert cli.main(["methods"]) == 1
    assert capsys.readouterr().err == (
        "seewhy: The results could not be printed: No space left on device. "
        "Send standard output to a place that can be written to.\n"
    )


def test_streams_are_put_back() -> None:
    before = (sys.stdout, sys.stderr)
    with safe_output() as output:
        assert sys.stdout is output
    assert (sys.stdout, sys.stderr) == before


@pytest.mark.skipif(sys.platform != "linux", reason="uses a shell and Linux's devices")
@pytest.mark.parametrize(
    ("redirection", "code", "message"),
    [
        (">/dev/full", 1, "seewhy: The results could not be printed: No space left on device."),
        (">&-", 1, "seewhy: The results could not be printed: it is closed."),
        ("2>&-", 0, ""),
        ("| head -n 1", 0, ""),
    ],
)
def test_a_shell_may_redirect_anything(redirection: str, code: int, message: str) -> None:
    command = f"set -o pipefail; '{sys.executable}' -m seewhy methods {redirection}"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == code
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == bool(message)


def test_the_pictures_are_whole_when_the_reader_has_gone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    module = __import__("seewhy.commands.methods", fromlist=["run"])
    done = []

    def run(_: object) -> int:
        for number in range(3):
            sys.stdout.write("x" * 100_000)
            done.append(number)
        return 0

    monkeypatch.setattr(module, "run", run)
    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert cli.main(["methods"]) == 0
        monkeypatch.undo()
        assert done == [0, 1, 2]


INTERRUPTED = """
import os, signal, sys

class Interrupt:
    def find_spec(self, name, *_):
        if name == when:
            os.kill(os.getpid(), signal.SIGINT)

when, sys.argv = sys.argv[1], ["seewhy", "methods"]
sys.meta_path.insert(0, Interrupt())
from seewhy.__main__ import main
sys.exit(main())
"""


@pytest.mark.skipif(os.name != "posix", reason="signals are sent on POSIX systems only")
@pytest.mark.parametrize(
    ("when", "code", "message"),
    [
        ("seewhy.commands.cli", -signal.SIGINT, ""),
        (
            "seewhy.commands.explain",
            130,
            "\nseewhy: Stopped. Finished results are written, nothing else.\n",
        ),
        ("seewhy.methods", 130, "\nseewhy: Stopped. Finished results are written, nothing else.\n"),
    ],
)
def test_ctrl_c_gives_no_traceback_however_early(when: str, code: int, message: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, when],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert (done.returncode, done.stderr) == (code, message)


def test_a_command_that_is_not_known_is_answered_with_the_nearest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for word, hint in (
        ("explian", "Did you mean 'explain'?"),
        ("featuremaps", "Did you mean 'feature-maps'?"),
        (__file__, f"To explain a photo: seewhy explain {__file__}"),
        ("xyzzy", "The commands are explain, locate, "),
    ):
        with pytest.raises(SystemExit) as caught:
            cli.main([word, "a.jpg"])
        assert caught.value.code == 2
        assert f"error: There is no command '{word}'. {hint}" in capsys.readouterr().err


def test_seewhy_alone_shows_three_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert sum(line.startswith("  seewhy ") for line in told.err.splitlines()) == 3
    assert told.err.endswith("All commands: seewhy --help\n")


def test_python_dash_m_runs_the_command_line() -> None:
    done = subprocess.run([*SEEWHY, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("seewhy ")
