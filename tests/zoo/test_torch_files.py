"""A network of one's own: a function in a module, and weights in a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from seewhy.errors import MissingFramework, ModelError, OptionError, UnknownModel
from seewhy.zoo.names import LoadedModel, parse_name
from seewhy.zoo.torch_files import build_python, load_torch_weights

SOURCE = """
from torch import nn

LIMIT = 3

class Net(nn.Sequential):
    def __init__(self, width=4):
        super().__init__(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.Linear(width, 2))

def build(width=4, deep=False):
    if width < 0:
        raise ValueError("no such width.\\nmore")
    return Net(width)

def leave():
    raise SystemExit(3)

def short(width):
    return Net(width)

ready = Net()
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the module mynet.py, and we are in it."""
    (tmp_path / "mynet.py").write_text(SOURCE)
    (tmp_path / "broken.py").write_text("def build(:\n")
    (tmp_path / "failing.py").write_text("\n1 / 0\n")
    (tmp_path / "needy.py").write_text("import not_there_at_all\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    yield tmp_path
    for name in ("mynet", "broken", "needy", "failing"):
        sys.modules.pop(name, None)


def build(text: str) -> LoadedModel:
    return build_python(parse_name(text))


def test_a_function_in_the_current_folder_is_called_with_its_arguments() -> None:
    before = list(sys.path)
    found = build("python:mynet:build?width=7")
    assert found.model[0].out_channels == 7
    assert not found.model.training
    assert sys.path == before


@pytest.mark.parametrize("name", ["python:mynet:Net", "python:mynet:ready"])
def test_a_class_or_a_model_that_stands_ready_will_do(name: str) -> None:
    assert build(name).model[0].out_channels == 4


def test_weights_are_loaded_into_it(here: Path) -> None:
    state = build("python:mynet:build?width=7").model.state_dict()
    torch.save(state, here / "weights.pt")
    loaded = build("python:mynet:build?width=7&weights=weights.pt").model.state_dict()
    assert all(torch.equal(loaded[key], state[key]) for key in state)


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        (
            "python:mynet",
            ModelError,
            "'python:mynet' does not name a function. Write python:package.module:function, for "
            "example python:mynet:build?weights=mynet.pt&size=224&preprocess=torch",
        ),
        (
            "python:yournet:build",
            UnknownModel,
            "There is no Python module 'yournet' in {here}, nor is it installed. "
            "Go to the folder that contains it, or install it.",
        ),
        (
            "python:mynet:biuld",
            UnknownModel,
            "The module 'mynet' has no function 'biuld'; the nearest name is 'build'. "
            "It is in {here}/mynet.py.",
        ),
        (
            "python:mynet:LIMIT",
            UnknownModel,
            "The module 'mynet' has no function 'LIMIT'. It is in {here}/mynet.py.",
        ),
        (
            "python:needy:build",
            MissingFramework,
            "The module 'needy' needs 'not_there_at_all', which is not installed. Install it.",
        ),
        (
            "python:broken:build",
            ModelError,
            "The module 'broken' cannot be imported: invalid syntax (broken.py, line 1).",
        ),
        (
            "python:failing:build",
            ModelError,
            "The module 'failing' cannot be imported: ZeroDivisionError: division by zero "
            "(failing.py, line 2). Correct it.",
        ),
        (
            "python:mynet:build?width=-1",
            ModelError,
            "'python:mynet:build' failed: ValueError: no such width (mynet.py, line 12). Correct "
            "the function, or give it other arguments: python:module:function?name=value",
        ),
        (
            "python:mynet:leave",
            ModelError,
            "'python:mynet:leave' failed: SystemExit: 3 (mynet.py, line 16). Correct the "
            "function, or give it other arguments: python:module:function?name=value",
        ),
        (
            "python:mynet:short",
            ModelError,
            "'python:mynet:short' failed: TypeError: short() missing 1 required positional "
            "argument: 'width'. Correct the function, or give it other arguments: "
            "python:module:function?name=value",
        ),
        *(
            (
                f"python:{module}:build",
                ModelError,
                f"'python:{module}:build' does not name a function. Write "
                "python:package.module:function, for example "
                "python:mynet:build?weights=mynet.pt&size=224&preprocess=torch",
            )
            for module in (".mynet", "..", "my net", "mynet.", "a\0b")
        ),
        (
            "python:mynet:build?widht=3",
            OptionError,
            "'python:mynet:build' has no setting 'widht'; the nearest name is 'width'. It has "
            "width, deep, size, preprocess, labels, layer, fit, channels, device, output, prompts, "
            "template, neutral, weights.",
        ),
    ],
)
def test_what_is_wrong_with_a_name_is_said(
    here: Path, name: str, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind) as caught:
        build(name)
    assert str(caught.value) == message.format(here=here)


def test_weights_that_do_not_fit_are_listed_and_nothing_is_loaded(here: Path) -> None:
    model = nn.Linear(2, 2)
    before = model.weight.clone()
    torch.save({"weight": torch.ones(2, 2), "b": torch.ones(2)}, here / "weights.pt")
    with pytest.raises(ModelError) as caught:
        load_torch_weights(model, "weights.pt", name="own")
    assert str(caught.value) == (
        "The weights in 'weights.pt' do not fit 'own'. Missing in the file: bias; unknown to the "
        "network: b. Build the network with the arguments that it was trained with."
    )
    assert torch.equal(model.weight, before)


def test_older_files_without_counters_of_training_steps_are_loaded(here: Path) -> None:
    saved, model = nn.BatchNorm2d(2), nn.BatchNorm2d(2)
    saved.running_mean.copy_(torch.tensor([1.0, 2.0]))
    saved.running_var.copy_(torch.tensor([3.0, 4.0]))
    state = {key: value for key, value in saved.state_dict().items() if "num_batches" not in key}
    torch.save(state, here / "weights.pt")
    load_torch_weights(model, "weights.pt", name="own")
    assert model.running_mean.tolist() == [1, 2]
    assert model.running_var.tolist() == [3, 4]
    assert model.num_batches_tracked == 0


def test_code_in_a_file_of_weights_is_not_run(here: Path) -> None:
    torch.save(nn.Linear(2, 2), here / "whole.pt")
    with pytest.raises(ModelError) as caught:
        load_torch_weights(nn.Linear(2, 2), "whole.pt", name="own")
    assert str(caught.value) == (
        "'whole.pt' is not a file of plain weights: it is damaged, or contains whole objects, "
        "whose code seewhy does not run. Save the weights alone: "
        "torch.save(model.state_dict(), path)"
    )


@pytest.mark.parametrize("size", [0, 10, 400])
def test_a_truncated_file_of_weights_is_an_error(here: Path, size: int) -> None:
    torch.save(nn.Linear(9, 9).state_dict(), here / "weights.pt")
    (here / "weights.pt").write_bytes((here / "weights.pt").read_bytes()[:size])
    with pytest.raises(ModelError, match=r"^'weights.pt' is not a file of ") as caught:
        load_torch_weights(nn.Linear(9, 9), "weights.pt", name="own")
    assert "\n" not in str(caught.value)


def test_a_file_of_something_else_is_an_error(here: Path) -> None:
    torch.save([1, 2], here / "weights.pt")
    with pytest.raises(ModelError) as caught:
        load_torch_weights(nn.Linear(2, 2), "weights.pt", name="own")
    assert str(caught.value) == (
        "'weights.pt' contains a list, not a state dict. Save the weights alone: "
        "torch.save(model.state_dict(), path)"
    )


def test_a_missing_file_of_weights_is_an_error() -> None:
    with pytest.raises(ModelError) as caught:
        load_torch_weights(nn.Linear(2, 2), "weights.pt", name="own")
    assert str(caught.value) == (
        "There is no file 'weights.pt' with weights for 'own'. Give the path of a state dict saved "
        "by torch.save(model.state_dict(), path), or weights=none for random ones."
    )


def small() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))


@pytest.mark.parametrize(
    "prefix", ["model.", "module.", "net.", "_orig_mod.", "module.model.", "model._orig_mod.", "x."]
)
def test_a_prefix_of_all_names_is_taken_off(here: Path, prefix: str) -> None:
    state = small().state_dict()
    others = {"criterion.weight": torch.ones(2), "hparams": torch.ones(1)}
    torch.save({"state_dict": {prefix + k: v for k, v in state.items()} | others}, here / "w.ckpt")
    loaded = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    load_torch_weights(loaded, "w.ckpt", name="own")
    for name, value in loaded.state_dict().items():
        torch.testing.assert_close(value, state[name])


def test_a_prefix_that_only_the_network_has_is_put_in_front(here: Path) -> None:
    torch.save(small().state_dict(), here / "w.pt")
    wrapped = nn.ModuleDict({"net": small()})
    with torch.no_grad():
        wrapped["net"][0].weight.zero_()
    load_torch_weights(wrapped, "w.pt", name="own")
    torch.testing.assert_close(wrapped["net"][0].weight, small()[0].weight)


def test_the_network_is_preferred_to_its_average_and_two_others_are_refused(here: Path) -> None:
    state = small().state_dict()
    both = {f"model.{name}": value for name, value in state.items()}
    both |= {f"teacher.{name}": value + 1 for name, value in state.items()}
    torch.save(both, here / "w.pt")
    loaded = small()
    load_torch_weights(loaded, "w.pt", name="own")
    torch.testing.assert_close(loaded[2].weight, state["2.weight"])
    torch.save({k.replace("model.", "student."): v for k, v in both.items()}, here / "w.pt")
    with pytest.raises(ModelError) as caught:
        load_torch_weights(small(), "w.pt", name="own")
    assert str(caught.value) == (
        "'w.pt' has weights of several networks that all fit: 'student.', 'teacher.'. Save those "
        "of one alone: torch.save(model.state_dict(), path)"
    )


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_an_archive_of_a_whole_network_is_told_by_its_kind(here: Path) -> None:
    torch.jit.script(nn.Linear(2, 2)).save(str(here / "whole.pt"))
    torch.export.save(torch.export.export(nn.Linear(2, 2), (torch.ones(1, 2),)), "whole.pt2")
    for file, what, weights in (
        ("whole.pt", "a TorchScript archive", "torch.jit.load('whole.pt').state_dict()"),
        ("whole.pt2", "an exported program", "torch.export.load('whole.pt2').state_dict"),
    ):
        with pytest.raises(ModelError) as caught:
            load_torch_weights(nn.Linear(2, 2), file, name="own")
        assert str(caught.value) == (
            f"'{file}' is {what}: it contains code, and seewhy runs no code in files. Save its "
            f"weights alone: torch.save({weights}, 'weights.pt'), and name the function that "
            "builds the network: python:module:function?weights=weights.pt"
        )
