"""Keras and its backend start without a word."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from seewhy.zoo.quiet import quiet_native_logs


def test_loading_a_network_from_python_logs_nothing() -> None:
    environment = {key: value for key, value in os.environ.items() if "TF_CPP" not in key}
    code = (
        "import numpy, seewhy; from importlib.resources import files;"
        "file = str(files('seewhy').joinpath('data/built_in.keras'));"
        "seewhy.explain(seewhy.load(file), numpy.zeros((9, 9, 3), numpy.uint8))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_what_native_code_wrote_before_it_failed_is_shown(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        with quiet_native_logs():
            os.write(2, b"a reason\n")
            raise OSError

    with quiet_native_logs():
        os.write(2, b"noise\n")
    assert capfd.readouterr().err == ""
    with pytest.raises(OSError, match=r"^$"):
        fail()
    assert capfd.readouterr().err == "a reason\n"
