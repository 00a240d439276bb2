"""The request: checked, stored, hashed, and written as code that asks the same."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import seewhy
from seewhy.commands.cli import main
from seewhy.errors import OptionError, TargetError, UnknownClass, UnknownMethod
from seewhy.explaining.keywords import MethodOptions, RequestKeywords
from seewhy.explaining.request import Request
from seewhy.methods import METHODS
from tests.explaining.test_explain import classifier, photo
from tests.linear_network import LinearNetwork


def test_the_keywords_have_every_option_of_every_method_and_no_other() -> None:
    table = {option.name for method in METHODS.values() for option in method.options}
    assert set(MethodOptions.__annotations__) == table


def test_the_other_keywords_are_the_fields() -> None:
    own = set(RequestKeywords.__annotations__) - set(MethodOptions.__annotations__)
    fields = {one.name for one in dataclasses.fields(Request)} - {"methods", "options"}
    assert own == fields | {"method"}


ASKED: list[dict[str, Any]] = [
    {},
    {"method": "GradCAM", "top": 2},
    {"method": "occlusion", "patch": (16, 32), "stride": 0.25, "fill": [255, 0, 10]},
    {"method": "occlusion", "patch": [16, (8, 4)], "classes": ["a \"b\" 'c' \\ \u2028", 3]},
    {"classes": [[0, "x"], [1, "y"]], "contrast": "similar"},
    {"classes": np.array([[0, 1]]), "layer": ["one", "two"], "contrast": [2, "-x"]},
    {"methods": ["rise", "cam"], "options": {"rise": {"masks": 9}}, "precision": "bfloat16"},
    {"method": "best", "budget": 12, "output": "probability", "zoom": 2, "batch_size": 3},
]  # fmt: skip


@pytest.mark.parametrize("asked", ASKED)
def test_a_request_comes_back_from_its_json_and_keeps_its_hash(asked: dict[str, Any]) -> None:
    request = Request.of(**asked)
    again = Request.from_dict(json.loads(json.dumps(request.as_dict())))
    assert again == request
    assert again.digest == request.digest


def test_different_requests_have_different_hashes() -> None:
    assert len({Request.of(**asked).digest for asked in ASKED}) == len(ASKED)
    pair = Request.of(method="occlusion", patch=(16, 32))
    several = Request.of(method="occlusion", patch=[16, 32])
    assert pair.digest != several.digest  # height and width, and two sizes
    bright, dark = (
        Request.of(method="integrated-gradients", baseline=np.full((2, 2, 3), value))
        for value in (0.5, 0.6)
    )
    assert bright.digest != dark.digest


def test_what_was_not_stored_is_not_read_back() -> None:
    stored = Request.of(method="occlusion", fill=lambda pixels: pixels).as_dict()
    message = (
        "fill of 'occlusion' was a function or an array, which is not stored. Give it again in "
        "Python."
    )
    with pytest.raises(OptionError) as raised:
        Request.from_dict(json.loads(json.dumps(stored)))
    assert str(raised.value) == message
    with pytest.raises(OptionError, match=r"^A request has no 'colour'\. Repeat it"):
        Request.from_dict({"colour": 1})


REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    (
        {"method": "grad-cma"},
        UnknownMethod,
        "There is no method 'grad-cma'. The nearest names are 'grad-cam' and 'xgrad-cam'. "
        "List them all: seewhy methods",
    ),
    (
        {"method": "rise", "mask": 3},
        OptionError,
        "The method 'rise' has no option 'mask'. It has: masks, grid, probability, seed. The "
        "nearest name is 'masks'.",
    ),
    (
        {"layers": "x"},
        OptionError,
        "The method 'grad-cam' has no option 'layers'. It has none. The nearest name is 'layer'.",
    ),
    (
        {"methods": ["cam", "rise"], "patch": 3},
        OptionError,
        "None of the methods that run has an option 'patch'. They have: cam: none; rise: masks, "
        "grid, probability, seed.",
    ),
    (
        {"methods": []},
        OptionError,
        "No method was named. Name at least one, or list them: seewhy methods",
    ),
    (
        {"top": 1, "classes": [2]},
        TargetError,
        "'top', 'classes' and 'target' exclude each other. Give one of them.",
    ),
    ({"top": 0}, OptionError, "top=0 is not valid. Give a whole number, 1 or more."),
    ({"top": 1.5}, OptionError, "top=1.5 is not valid. Give a whole number, 1 or more."),
    ({"top": "1"}, OptionError, "top='1' is not valid. Give a whole number, 1 or more."),
    (
        {"batch_size": "a"},
        OptionError,
        "batch_size='a' is not valid. Give a whole number, 1 or more.",
    ),
    (
        {"batch_size": 10**20},
        OptionError,
        "batch_size=100000000000000000000 is not valid. Give a whole number, 1 or more, at most "
        "1,000,000,000.",
    ),
    (
        {"output": "probabilty"},
        OptionError,
        "output='probabilty' is not valid. Give one of score, probability, rest. The nearest is "
        "'probability'.",
    ),
    (
        {"classes": [1.0]},
        TargetError,
        "A class is a name, a WordNet id or a whole number, not 1.0. Name it by one of these.",
    ),
    (
        {"contrast": 1.5},
        TargetError,
        "A class is a name, a WordNet id or a whole number, not 1.5. Name it by one of these.",
    ),
    (
        {"classes": 5.5},
        TargetError,
        "A class is a name, a WordNet id or a whole number, not 5.5. Name it by one of these.",
    ),
    ({"classes": []}, TargetError, "classes=[] selects no class. Name at least one."),
    ({"batch_size": 0}, OptionError, "batch_size=0 is not valid. Give a whole number, 1 or more."),
    (
        {"target": 3},
        TargetError,
        "A target is a callable on the network's output, not 3. For classes use classes=[...].",
    ),
    (
        {"output": "logit"},
        OptionError,
        "output='logit' is not valid. Give one of score, probability, rest.",
    ),
    (
        {"method": "eigen-cam", "contrast": 1},
        TargetError,
        "The map is the same whatever the class, so there is nothing to contrast. Leave "
        "contrast=... out, or use a method that explains a class.",
    ),
    (
        {"contrast": 1, "output": "rest"},
        OptionError,
        "The difference of two classes under output='rest' is twice that of their scores. Leave "
        "output=... out.",
    ),
    (
        {"precision": "double"},
        OptionError,
        "precision='double' is not valid. Give one of float32, bfloat16.",
    ),
]


@pytest.mark.parametrize(("asked", "error", "message"), REFUSED)
def test_what_no_network_could_answer_is_refused_without_one(
    asked: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as raised:
        Request.of(**asked)
    assert str(raised.value) == message


def test_an_option_of_several_methods_goes_to_those_that_have_it() -> None:
    request = Request.of(methods=["rise", "smooth-grad", "cam"], seed=3, samples=4)
    assert request.options == {"rise": {"seed": 3}, "smooth-grad": {"seed": 3, "samples": 4}}


def test_settling_names_what_the_network_decides() -> None:
    request = Request.of(classes=["green", 2], contrast="red").settle(classifier())
    assert request.methods == ("cam",)
    assert request.layer == ("maps",)
    assert request.classes == (1, 2)
    assert request.contrast == (0,)
    by_index = Request.of(method="cam", classes=[1, 2], contrast=0, layer="maps")
    assert request.digest == by_index.settle(classifier()).digest
    with pytest.raises(UnknownClass):
        Request.of(classes=["purple"]).settle(classifier())


def test_a_budget_is_settled_by_the_network() -> None:
    request = Request.of(method="best", budget=1000).settle(classifier())
    assert request.budget is None
    assert request.methods[0] in METHODS


def test_a_bound_request_is_the_question() -> None:
    question = Request.of(method="cam", top=9, batch_size=2).bind(classifier(), 4)
    assert [one.name for one in question.methods] == ["cam"]
    assert question.targets.count == 3  # the network has three classes
    assert question.layers == ("maps",)
    assert question.batch_size == 2
    targets = Request.of(classes=[["red"], ["blue"]]).bind(classifier(), 2).targets
    np.testing.assert_array_equal(targets, [[0], [2]])


HOSTILE = ("1", "0", "a \"b\"; $(rm) 'c' \\n\u2028`é", "-x --top 3\n#")
"""Class names: numbers that are not their index, quotes of every kind, a dash, a line break."""


def hostile() -> seewhy.Classifier:
    weights = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0.1]], np.float32)
    return seewhy.Classifier(LinearNetwork(weights=weights), preprocess="unit", labels=HOSTILE)


PHOTOGRAPH = '-it\'s a "photo" $1.png'

CODES: list[dict[str, Any]] = [
    {"method": "grad-cam", "top": 2},
    {"method": "grad-cam", "classes": [0]},
    {"method": "grad-cam", "classes": [1, 3], "contrast": [2]},
    {"classes": ["1", HOSTILE[2], HOSTILE[3]]},
    {"method": "hires-cam", "classes": [2], "contrast": HOSTILE[3], "layer": "maps"},
    {"method": "occlusion", "classes": [0], "patch": (2, 4), "stride": 2, "fill": (1, 2, 3)},
    {"method": "occlusion", "top": 1, "patch": [2, 4], "stride": 2, "output": "probability"},
    {"method": "rise", "top": 1, "masks": 7, "probability": 0.25, "batch_size": 2, "zoom": 2},
    {"method": "integrated-gradients", "classes": [3], "steps": 3, "baseline": -0.5},
    {"methods": ["grad-cam", "rise"], "classes": [1], "options": {"rise": {"masks": 5}}},
    {"method": "grad-cam", "classes": [3], "contrast": "similar"},
]


@pytest.mark.parametrize("asked", CODES)
def test_the_python_gives_the_same_arrays(
    asked: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photo(1)).save(PHOTOGRAPH)
    model, settings = 'a "model"\\', {"size": (8, 12), "labels": list(HOSTILE), "fit": None}
    loaded: list[Any] = []

    def load(name: str, **given: Any) -> seewhy.Classifier:
        loaded.append((name, given))
        return hostile()

    monkeypatch.setattr(seewhy, "load", load)
    request = Request.of(**asked)
    names: dict[str, Any] = {}
    exec(request.as_python(model, settings, PHOTOGRAPH), names)
    assert loaded == [(model, {"size": (8, 12), "labels": list(HOSTILE)})]
    if "methods" in asked:
        found = {name: one.maps for name, one in names["explanations"].items()}
        expected = {
            name: one.maps for name, one in seewhy.compare(hostile(), photo(1), **asked).items()
        }
    else:
        found = {"": names["explanation"].maps}
        expected = {"": seewhy.explain(hostile(), photo(1), **asked).maps}
    assert found.keys() == expected.keys()
    for name, maps in expected.items():
        np.testing.assert_array_equal(found[name], maps)


@pytest.mark.parametrize("asked", CODES)
def test_the_command_line_gives_the_same_arrays(
    asked: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photo(1)).save(PHOTOGRAPH)
    loaded: list[Any] = []

    def load(name: str, **given: Any) -> seewhy.Classifier:
        loaded.append((name, given))
        return hostile()

    loading = importlib.import_module("seewhy.zoo.load")
    monkeypatch.setattr(loading, "load", load)
    monkeypatch.setattr(loading, "backend_in_use", lambda _: "numpy")
    request = Request.of(**asked)
    text = request.as_command("-m", {"size": (8, 12), "labels": "it's"}, PHOTOGRAPH, labels=HOSTILE)
    words = shlex.split(text)
    assert words[:2] == ["seewhy", "explain"]
    assert main([*words[1:], "--save-maps"]) == 0
    assert loaded == [("-m", {"size": "8x12", "labels": "it's"})]
    methods = request.settle(hostile()).methods
    expected = seewhy.compare(
        hostile(),
        photo(1),
        methods=methods,
        options=request.options,
        **{name: asked[name] for name in asked if name in _COMPARED},
    )
    for name in methods:
        (file,) = Path("why").glob(f"*{name}.npz")
        with np.load(file) as stored:
            np.testing.assert_array_equal(stored["maps"], expected[name].maps)
            np.testing.assert_array_equal(
                stored["indices"][0], [one.index for one in expected[name].targets[0]]
            )


_COMPARED = ("top", "classes", "contrast", "layer", "output", "zoom", "batch_size")


def test_the_command_line_says_what_it_cannot_express() -> None:
    def command(settings: dict[str, Any] | None = None, **asked: Any) -> str:
        return Request.of(**asked).as_command("vgg16", settings or {}, "cat.jpg")

    for told, message in (
        (
            lambda: command(target=lambda output: output),
            "The command line explains classes, and this is a target of your own. Use Python.",
        ),
        (
            lambda: command(classes=[[1], [2]]),
            "Each photo has its own classes, and the command line gives all photos the same. Use "
            "Python.",
        ),
        (
            lambda: command({"labels": ["a", "b"]}),
            "labels is of type list, which the command line cannot take. Use Python, or save it in "
            "a file.",
        ),
        (
            lambda: command(methods=["rise", "smooth-grad"], options={"rise": {"seed": 3}}),
            "'seed' differs among the methods, and the command line gives one value to all of "
            "them. Use Python.",
        ),
        (
            lambda: command(classes=["cat,dog"]),
            "'cat,dog' has a comma, at which the command line divides names. Use Python.",
        ),
        (
            lambda: command(method="occlusion", fill=np.copy),
            "fill is a function, which cannot be written as text. Repeat it in Python, where it "
            "is.",
        ),
    ):
        with pytest.raises(OptionError) as raised:
            told()
        assert str(raised.value) == message
    with pytest.raises(OptionError) as raised:
        Request.of(target=np.mean).as_python("vgg16", {}, "cat.jpg")
    assert "target is a function" in str(raised.value)


def test_code_is_as_short_as_the_request() -> None:
    request = Request.of(method="occlusion", classes=["tabby"], patch=32)
    assert request.as_python("vgg16", {}, "cat.jpg") == (
        "import seewhy\n\n"
        'classifier = seewhy.load("vgg16")\n'
        'explanation = seewhy.explain(classifier, "cat.jpg", method="occlusion", '
        'classes=["tabby"], patch=32)\n'
        'explanation.save("why.png")'
    )
    assert request.as_command("built-in", {"labels": "my labels.txt"}, "cat.jpg") == (
        "seewhy explain cat.jpg --labels 'my labels.txt' --method occlusion --patch 32 "
        "--class tabby"
    )


@pytest.mark.parametrize("name", ["explain", "compare", "stream", "estimate", "batch"])
def test_help_and_completion_name_every_keyword(name: str) -> None:
    function: Any = getattr(seewhy, name)
    named = inspect.signature(function).parameters
    expected = set(RequestKeywords.__annotations__) - ({"method"} if name == "compare" else set())
    assert expected <= set(named)
    assert all(one.kind is not one.VAR_KEYWORD for one in named.values())
    assert named["zoom"].default == 1
    assert named["masks"].default == 4000
    assert ("shard_size" in named) == (name == "batch")


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("locate", "threshold"),
        ("evaluate", "removal_steps"),
        ("maximize_activation", "blur"),
        ("report", "changes"),
        ("Classifier", "call"),
    ],
)
def test_keywords_of_a_functions_own_are_named_too(name: str, own: str) -> None:
    named = inspect.signature(getattr(seewhy, name)).parameters
    assert own in named
    assert all(one.kind is not one.VAR_KEYWORD for one in named.values())


def test_methods_and_their_options_are_of_compare_alone() -> None:
    for name in ("methods", "options"):
        with pytest.raises(OptionError) as raised:
            seewhy.explain(classifier(), photo(1), **{name: ["cam"]})
        assert str(raised.value).startswith(f"The method 'grad-cam' has no option '{name}'. ")
