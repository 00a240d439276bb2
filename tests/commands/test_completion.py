"""Shells complete commands, options and values, as the parsers have them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from seewhy.commands import cli
from seewhy.commands.completion import options_of_commands


@pytest.fixture(scope="module", params=["bash", "zsh", "fish"])
def printed(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Return a shell, and what the command prints for it."""
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert cli.main(["completion", request.param]) == 0
    return request.param, out.getvalue()


def test_every_command_option_and_choice_is_in_it(printed: tuple[str, str]) -> None:
    shell, text = printed
    lines = text.splitlines()
    for name, (_, options) in options_of_commands().items():
        own = [line for line in lines if f" {name}" in line or f"'{name}:" in line]
        assert own, name
        for one in options:
            flag = f"-l {one.flag[2:]} " if shell == "fish" else one.flag
            assert any(flag in f"{line} " for line in own), (name, flag)
            assert not one.words or any(" ".join(one.words) in line for line in own), one.flag
    found = {one.flag: one for one in options_of_commands()["explain"][1]}
    assert found["--format"].words == ("png", "jpg", "pdf")
    assert not found["--sample"].takes_value


def test_a_shell_that_is_here_reads_it(printed: tuple[str, str], tmp_path: Path) -> None:
    shell, text = printed
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "seewhy").write_text(text, "utf-8")
    subprocess.run([shell, "-n", tmp_path / "seewhy"], check=True)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["ex"], "explain export"),
        (["explain", "--format", "p"], "png pdf"),
        (["explain", "--sam"], "--sample --samples"),
        (["explain", "--method", "occl"], "occlusion"),
        (["explain", "--model", "vgg"], "vgg16 vgg19"),
        (["explain", "--colormap", "j"], ""),
    ],
)
def test_bash_offers(
    typed: list[str], offered: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["completion", "bash"])
    words = " ".join(["seewhy", *typed])
    script = f"COMP_WORDS=({words}); COMP_CWORD={len(typed)}; _seewhy; echo ${{COMPREPLY[@]}}"
    code = capsys.readouterr().out + script
    done = subprocess.run(["bash", "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == offered
