"""The command line: results to stdout, all else to stderr, exit codes, nothing half-written."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seewhy import __version__
from seewhy.commands import cli
from seewhy.commands.arguments import BUILT_IN_KNOWS
from seewhy.commands.options import methods_and_options
from seewhy.methods import METHODS
from tests.linear_network import LinearNetwork

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run the command line in an empty folder, with the linear network as 'built-in'."""
    from seewhy.classifier import Classifier

    module = importlib.import_module("seewhy.zoo.load")

    def load(name: str, **settings: object) -> Classifier:
        if name not in ("built-in", "second"):
            return original(name, **settings)  # type: ignore[arg-type]
        settings = {"preprocess": "unit", "labels": ["red", "green", "blue"]} | settings
        return Classifier(LinearNetwork(), name=name, **settings)  # type: ignore[arg-type]

    original = module.load
    monkeypatch.setattr(module, "load", load)
    monkeypatch.setattr(module, "backend_in_use", lambda _: "numpy")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = cli.main(list(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def save_photo(path: str, colour: int = 1) -> None:
    pixels = np.zeros((80, 120, 3), np.uint8)
    pixels[40:60, 60:80, colour] = 200
    Image.fromarray(pixels).save(path)


def test_one_photo_gives_a_table_and_a_picture(run: Run) -> None:
    save_photo("a.png")
    code, out, err = run("explain", "a.png")
    assert code == 0
    assert out.startswith("a.png  cam at maps\n  green")
    assert out.endswith("  why/a_cam.jpg\n")
    assert f"No --model named: the built-in network ({BUILT_IN_KNOWS}) is used." in err
    with Image.open("why/a_cam.jpg") as picture:
        assert picture.format == "JPEG"


def test_json_is_alone_on_stdout(run: Run) -> None:
    save_photo("a.png")
    save_photo("b.png", colour=0)
    code, out, _ = run("explain", "a.png", "b.png", "--json", "--top", "1", "--save-maps")
    rows = json.loads(out)
    assert code == 0
    assert [row["targets"][0]["label"] for row in rows] == ["green", "red"]
    assert [file for row in rows for file in row["files"]] == [
        "why/a_cam.jpg",
        "why/a_cam.npz",
        "why/b_cam.jpg",
        "why/b_cam.npz",
    ]
    assert all(Path(file).is_file() for row in rows for file in row["files"])


def test_a_broken_photo_leaves_the_others_whole_and_is_listed(run: Run) -> None:
    save_photo("a.png")
    Path("broken.png").write_bytes(Path("a.png").read_bytes()[:60])
    Path("empty.png").write_bytes(b"")
    code, out, err = run("explain", "broken.png", "a.png", "empty.png", "missing.png")
    assert code == 1
    assert Path("why/a_cam.jpg").is_file()
    assert err.endswith("seewhy: 3 of 4 photos failed: broken.png, empty.png, missing.png\n")
    assert "Traceback" not in err
    assert sorted(path.name for path in Path("why").glob("[!.]*")) == ["a_cam.jpg"]
    assert out.count("cam at maps") == 1


def test_named_classes_several_methods_and_a_sheet(run: Run) -> None:
    save_photo("a.png")
    code, out, _ = run(
        "explain", "a.png", "--class", "blue", "--class", "1", "--method", "grad-cam,cam", "--sheet"
    )
    assert code == 0
    assert "empty map" in out
    assert {path.name for path in Path("why").glob("[!.]*")} == {"a_methods.jpg", "sheet.jpg"}


def test_occlusion_shows_three_pictures_its_patches_and_its_sizes(run: Run) -> None:
    save_photo("a.png")
    options = ("--method", "occlusion", "--patch", "2,4", "--stride", "2", "--fill", "black")
    code, _, _ = run("explain", "a.png", *options, "--watch", "feature-maps")
    assert code == 0
    assert {path.name for path in Path("why").glob("[!.]*")} == {
        "a_occlusion.jpg",
        "a_occlusion_three.jpg",
        "a_occlusion_sizes.jpg",
    }
    code, _, _ = run("explain", "a.png", "--method", "occlusion", "--patch", "2", "--show-patches")
    assert code == 0
    assert Path("why/a_occlusion_patches.jpg").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("explain", "a.png", "--class", "gren"),
            "seewhy: 'built-in' has no class 'gren'",
        ),
        (
            ("explain", "a.png", "--method", "grad-kam"),
            "seewhy: There is no method 'grad-kam'. The nearest names are 'grad-cam' and "
            "'xgrad-cam'. List them all: seewhy methods",
        ),
        (
            ("explain", "a.png", "--layer", "map"),
            "seewhy: 'linear' has no layer 'map'.",
        ),
        (
            ("explain", "a.png", "--model", "resnet5"),
            "seewhy: There is no network 'resnet5', and no such file",
        ),
        (
            ("explain", "a.png", "--model", "a.png"),
            "seewhy: 'a.png' is a photo, and a network belongs in its place.",
        ),
        (
            ("explain", "a.png", "--option", "patch"),
            "seewhy: --option patch has no value. Write NAME=VALUE: samples=50",
        ),
        (
            ("explain", "a.png", "--patch", "3"),
            "seewhy: The method 'cam' has no option 'patch'. It has none. Methods with this "
            "option: occlusion.",
        ),
        (
            ("explain", "a.png", "--method", "occlusion", "--patch", "300"),
            "seewhy: patch ",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line_and_exit_code_1(
    run: Run, arguments: tuple[str, ...], message: str
) -> None:
    save_photo("a.png")
    code, out, err = run(*arguments)
    assert (code, out) == (1, "")
    assert message in err
    assert "Traceback" not in err
    assert not Path("why").exists() or not list(Path("why").iterdir())


def test_an_output_folder_that_cannot_be_is_an_error(run: Run) -> None:
    save_photo("a.png")
    Path("why").write_text("a file")
    code, _, err = run("explain", "a.png")
    assert code == 1
    assert "seewhy: 'why/a_cam.jpg' cannot be written" in err


def test_debug_shows_the_traceback(run: Run) -> None:
    save_photo("a.png")
    code, _, err = run("explain", "a.png", "--class", "gren", "--debug")
    assert code == 1
    assert "Traceback (most recent call last)" in err


def test_wrong_usage_is_exit_code_2(run: Run) -> None:
    for arguments in (("explain",), ("explane", "a.png"), ("explain", "a.png", "--top", "x")):
        with pytest.raises(SystemExit) as caught:
            run(*arguments)
        assert caught.value.code == 2


def test_without_a_photo_the_sample_is_offered(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run("explain")
    assert capsys.readouterr().err == (
        "seewhy explain: error: No photo is named. Name files, folders or globs, or try the one "
        "that comes with seewhy: seewhy explain --sample. All options: seewhy explain --help\n"
    )
    code, out, _ = run("explain", "--sample", "--json")
    assert (code, Path(json.loads(out)[0]["photo"]).name) == (0, "chelsea.png")


def test_version_and_methods(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("--version")
    assert capsys.readouterr().out == f"seewhy {__version__}\n"
    code, out, _ = run("methods", "--json")
    assert code == 0
    rows = {row["name"]: row for row in json.loads(out)}
    figures = rows["grad-cam"]["measured"]
    assert figures["photos"] >= 10
    assert figures["means"]["insertion"] > figures["means"]["deletion"]
    assert figures["use"].endswith(".")
    code, out, _ = run("methods")
    assert "occlusion" in out
    assert f"measured: insertion {figures['means']['insertion']:.2f}" in out


def test_an_option_goes_to_the_methods_that_have_it() -> None:
    parser = cli.build_parser()
    names = "smooth-grad,occlusion,cam"
    args = parser.parse_args(
        ["explain", "a", "--option", "samples=3", "--stride", "8", "--method", names]
    )
    assert methods_and_options(args)[1] == {
        "smooth-grad": {"samples": 3},
        "occlusion": {"stride": 8},
        "cam": {},
    }


def test_named_classes_are_listed_alone_with_index_and_rank(run: Run) -> None:
    save_photo("a.png")
    _, out, _ = run("explain", "a.png", "--class", "blue", "--class", "green")
    lines = [line.split() for line in out.splitlines()[1:3]]
    assert [(line[0], line[1]) for line in lines] == [("blue", "2"), ("green", "1")]
    assert lines[1][2] == "#1"
    assert lines[0][2] in ("#2", "#3")
    assert "red" not in out


def test_a_photo_that_is_read_is_never_overwritten(run: Run) -> None:
    for name in ("a.jpg", "a_cam.jpg"):
        save_photo(name)
    before = Path("a_cam.jpg").read_bytes()
    code, _, err = run("explain", "a.jpg", "a_cam.jpg", "--out", ".", "--format", "jpg")
    assert code == 1
    assert err.endswith(
        "seewhy: a_cam.jpg is one of the photos, and the result would overwrite it. Choose another "
        "folder with --out, or another --format.\n"
    )
    assert Path("a_cam.jpg").read_bytes() == before


def test_photos_with_one_dotted_name_in_two_folders_both_get_their_picture(run: Run) -> None:
    for folder in ("one", "two"):
        Path(folder).mkdir()
        for number in range(20):
            save_photo(f"{folder}/z.2023.{number}.jpg")
    code, _, _ = run("explain", "one", "two")
    assert code == 0
    assert len(list(Path("why").glob("*.jpg"))) == 40


def test_methods_side_by_side_take_as_many_columns_as_asked(run: Run) -> None:
    save_photo("a.png")
    assert (
        run("explain", "a.png", "--method", "cam,saliency", "--top", "1", "--columns", "1")[0] == 0
    )
    with Image.open("why/a_methods.jpg") as tall:
        tall_size = tall.size
    assert run("explain", "a.png", "--method", "cam,saliency", "--top", "1")[0] == 0
    with Image.open("why/a_methods.jpg") as wide:
        assert wide.width > tall_size[0]
        assert wide.height < tall_size[1]


def test_all_methods_leave_out_what_does_not_apply_and_say_so(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Flatten and Dense: no CAM.
    Path("home_made.py").write_text(
        "from torch import nn\n\n\n"
        "def net():\n"
        "    body = nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(4)\n"
        "    return nn.Sequential(*body, nn.Flatten(), nn.Linear(4 * 4 * 4, 2)).eval()\n"
    )
    monkeypatch.syspath_prepend(".")
    save_photo("a.png")
    network = ("--model", "python:home_made:net", "--size", "16", "--preprocess", "unit")
    sweeps = ("--masks", "20", "--samples", "2", "--steps", "2")
    code, out, err = run("explain", "a.png", *network, "--method", "all", *sweeps)
    assert code == 0
    assert "The method 'cam' is left out. CAM needs global" in err
    assert "The method 'chefer' is left out. 'python:home_made:net' has no attention" in err
    assert out.count("a.png  ") == sum(not one.attends for one in METHODS.values()) - 1
    assert Path("why/a_methods.jpg").is_file()
    code, _, err = run("explain", "a.png", *network, "--method", "cam,all", *sweeps)
    assert code == 1
    assert "CAM needs global average pooling" in err


def test_a_second_network_or_contrast_does_not_overwrite_the_firsts_pictures(run: Run) -> None:
    save_photo("a.png")

    def pictures(*arguments: str) -> set[str]:
        code, out, _ = run("explain", "a.png", *arguments)
        assert code == 0
        assert Path(out.strip().rpartition("  ")[2]).is_file()
        return {path.name for path in Path("why").glob("[!.]*")}

    first = {"a_cam.jpg"}
    assert pictures() == first
    before = Path("why/a_cam.jpg").read_bytes()
    assert pictures("--class", "green,blue") == first  # of the same network: done again
    assert pictures() == first
    second = first | {"a_cam_second.jpg"}
    assert pictures("--model", "second") == second
    third = second | {"a_cam_rather_than_red.jpg"}
    assert pictures("--contrast", "red") == third
    assert pictures("--model", "second", "--contrast", "red") == third | {
        "a_cam_second_rather_than_red.jpg"
    }
    assert Path("why/a_cam.jpg").read_bytes() == before
