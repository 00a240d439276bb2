"""The table METHODS: what menus, docs and `explain` read from it must be true of its functions."""

from __future__ import annotations

import inspect

import pytest

from seewhy.methods import LAYERS, METHODS, Needs
from tests.places import DOCS

GIVEN = {
    Needs.ACTIVATIONS: {"activations"},
    Needs.LAYER_GRADIENTS: {"gradients"},
    Needs.CLASS_WEIGHTS: {"weights"},
    Needs.SCORES: {"image", "score"},
    Needs.SCORES_FROM_LAYER: {"downstream"},
    Needs.PIXEL_GRADIENTS: {"image", "differentiate"},
    Needs.GUIDED: set(),
    Needs.ATTENTIONS: {"attentions", "prefix"},
    Needs.ATTENTION_GRADIENTS: set(),
    Needs.BLOCK_SCORES: set(),
    Needs.READ: {"read"},
    Needs.SCENE: {"scene"},
    Needs.COPIES: {"batch_size", "progress"},
    Needs.RANDOMNESS: {"generator"},
}
"""What a function is given for each of its needs, by keyword; all else is an option of users."""

METHODS_PAGE = DOCS / "methods.md"


def keywords(function):
    parameters = inspect.signature(function).parameters.values()
    return {one.name: one.default for one in parameters if one.kind is one.KEYWORD_ONLY}


@pytest.mark.parametrize("name", METHODS)
def test_a_row_says_what_its_function_takes(name):
    method = METHODS[name]
    assert method.name == name
    taken = set(inspect.signature(method.function).parameters)
    options = {option.name for option in method.options} - {"seed"}
    given = set().union(*(GIVEN[need] for need in method.needs))
    contrast = {"similar", "strength"} if method.contrasts else set()  # of the question
    layers = {"layers"} if method.attends else set()  # of the network
    assert given | options - contrast - layers == taken
    assert all(default is not inspect.Parameter.empty for default in keywords(method.function))


def test_every_need_is_some_method_s():
    assert (
        {need for method in METHODS.values() for need in method.needs} == set(Needs) == set(GIVEN)
    )


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("grad-cam", {"at_layer", "per_batch", "backward"}),
        ("cam", {"at_layer", "per_batch"}),
        ("finer-cam", {"at_layer", "per_batch", "backward"}),
        ("eigen-cam", {"at_layer", "per_batch", "class_free"}),
        ("score-cam", {"at_layer"}),
        ("ablation-cam", {"at_layer"}),
        ("recipro-cam", {"at_layer"}),
        ("vit-cx", {"at_layer"}),
        ("chefer", {"attends", "per_batch", "backward"}),
        ("attention-rollout", {"attends", "per_batch", "class_free"}),
        ("rise", set()),
        ("occlusion", set()),
        ("smooth-grad", {"backward"}),
        ("guided-backpropagation", {"backward", "guided"}),
        ("guided-grad-cam", {"at_layer", "backward", "guided"}),
    ],
)
def test_facts_follow_from_what_a_function_takes(name, facts):
    known = ("at_layer", "attends", "per_batch", "backward", "guided", "class_free")
    assert {fact for fact in known if getattr(METHODS[name], fact)} == facts


@pytest.mark.parametrize("name", METHODS)
def test_a_row_has_every_option_of_its_function_with_its_default(name):
    method = METHODS[name]
    defaults = keywords(method.function)
    seed = {"seed": 0} if "generator" in defaults else {}
    filled_in = set().union(*GIVEN.values())
    taken = {option: default for option, default in defaults.items() if option not in filled_in}
    contrast = {"similar": 3, "strength": 0.6} if method.contrasts else {}  # of the question
    own = {option.name: option.default for option in method.options}
    if method.attends:
        assert own.pop("layers", "all") in LAYERS  # of the network
    assert own == taken | seed | contrast
    for option in method.options:
        option.check(option.default, method=name)
        assert option.help
        assert not option.help.endswith(".")


@pytest.mark.parametrize("name", METHODS)
def test_probes_count_their_copies_and_maps_have_none(name):
    method = METHODS[name]
    assert (method.copies is None) == method.per_batch
    assert (method.count_copies((20, 30, 3), {}) >= 1) == (not method.per_batch)


@pytest.mark.parametrize("name", METHODS)
def test_a_row_is_told_in_words(name):
    method = METHODS[name]
    assert method.paper
    assert method.cost
    assert len(method.summary) < 100
    assert not method.summary.endswith(".")
    assert "Source:" in inspect.getdoc(method.function)


def test_the_docs_have_a_line_and_a_section_for_each_method_in_the_table_s_order():
    lines = METHODS_PAGE.read_text(encoding="utf-8").splitlines()
    listed = [line.split("`")[1] for line in lines if line.startswith("| [`")]
    sections = [line.removeprefix("### ") for line in lines if line.startswith("### ")]
    assert listed == list(METHODS)
    assert sections == list(METHODS)
