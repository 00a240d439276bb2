"""explain() joins method, network and photos: what is asked is what is answered."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

import seewhy
from seewhy import errors
from seewhy.incremental import Engine, Forecast
from tests.linear_network import LinearNetwork

LABELS = ["red", "green", "blue"]


def photo(colour: int, at: tuple[int, int] = (2, 3)) -> np.ndarray:
    """A black photo with one square of one colour, 2 × 2 pixels, at a cell of the 4 × 6 map."""
    pixels = np.zeros((8, 12, 3), np.uint8)
    pixels[2 * at[0] : 2 * at[0] + 2, 2 * at[1] : 2 * at[1] + 2, colour] = 200
    pixels.setflags(write=False)
    return pixels


def classifier(**settings: object) -> seewhy.Classifier:
    return seewhy.Classifier(LinearNetwork(**settings), preprocess="unit", labels=LABELS)


def test_the_map_lies_on_the_object_and_has_the_papers_value() -> None:
    explanation = seewhy.explain(classifier(), photo(1), method="grad-cam", classes=["green"])
    expected = np.zeros((4, 6), np.float32)
    expected[2, 3] = (200 / 255) * (1 / 24)  # α = 1/24: the score is the mean over 24 cells
    np.testing.assert_allclose(explanation.maps[0, 0], expected, rtol=1e-6)
    assert explanation.peak_at(0, 0) in {(x, y) for x in (6, 7) for y in (4, 5)}


def test_cam_is_the_default_on_a_network_for_it_and_needs_no_backward_pass() -> None:
    network = LinearNetwork()
    explanation = seewhy.explain(
        seewhy.Classifier(network, preprocess="none", labels=LABELS), photo(0)
    )
    assert explanation.method == "cam"
    assert network.backward == []
    other = seewhy.explain(classifier(cam=False), photo(0))
    assert other.method == "grad-cam"


def test_cam_is_grad_cam_times_the_area() -> None:
    both = seewhy.compare(classifier(), photo(2), methods=["cam", "grad-cam"], classes=["blue"])
    np.testing.assert_allclose(both["cam"].maps, both["grad-cam"].maps * 24, rtol=1e-5)


def test_one_forward_pass_serves_all_classes_and_all_map_methods() -> None:
    network = LinearNetwork()
    seewhy.compare(
        seewhy.Classifier(network, preprocess="none", labels=LABELS),
        [photo(0), photo(1)],
        methods=["grad-cam", "hires-cam", "layer-cam", "cam"],
        top=3,
    )
    assert network.passes == [2]
    assert network.backward == [3]


def test_batches_do_not_change_the_answer() -> None:
    photos = [photo(index % 3, at=(index % 4, index % 6)) for index in range(5)]
    whole = seewhy.explain(classifier(), photos, method="grad-cam")
    parts = seewhy.explain(classifier(), photos, method="grad-cam", batch_size=2)
    np.testing.assert_array_equal(whole.maps, parts.maps)
    assert whole.targets == parts.targets


def test_the_classifiers_weights_are_read_once_until_the_network_has_changed() -> None:
    network = LinearNetwork()
    asked = seewhy.Classifier(network, preprocess="none", labels=LABELS)
    seewhy.explain(asked, [photo(0), photo(1)], batch_size=1)
    first, second = (seewhy.explain(asked, photo(0)) for _ in range(2))
    assert network.weighed == ["maps"]
    np.testing.assert_array_equal(first.maps, second.maps)
    network.weights = 2 * network.weights
    assert seewhy.explain(asked, photo(0)).maps.max() == 2 * first.maps.max()
    assert network.weighed == ["maps"] * 2


def test_a_network_that_cam_does_not_fit_is_asked_once() -> None:
    network = LinearNetwork(cam=False)
    asked = seewhy.Classifier(network, preprocess="none", labels=LABELS)
    assert [seewhy.explain(asked, photo(0)).method for _ in range(2)] == ["grad-cam"] * 2
    assert network.weighed == ["maps"]


def test_a_photo_is_fitted_once_for_an_occlusion(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: list[str] = []
    fit_photo = seewhy.classifier.fit_photo

    def noted(photo: object, fit: object) -> object:
        fitted.append(photo.name)
        return fit_photo(photo, fit)

    monkeypatch.setattr("seewhy.classifier.fit_photo", noted)
    seewhy.explain(classifier(), photo(0), method="occlusion", patch=2)
    assert fitted == ["photo"]


def test_top_names_the_best_classes_of_each_photo_by_itself() -> None:
    explanation = seewhy.explain(classifier(), [photo(2), photo(0)], method="grad-cam", top=1)
    assert [row[0].label for row in explanation.targets] == ["blue", "red"]
    scores = explanation.targets[0][0].score
    assert scores == pytest.approx((200 / 255) / 24)
    exponent = np.exp(scores)
    assert explanation.targets[0][0].probability == pytest.approx(exponent / (exponent + 2))


def test_top_beyond_the_number_of_classes_means_all_of_them() -> None:
    assert seewhy.explain(classifier(), photo(0), top=50).maps.shape == (1, 3, 4, 6)


def test_one_list_of_classes_for_each_photo() -> None:
    explanation = seewhy.explain(
        classifier(), [photo(0), photo(1)], method="cam", classes=[["blue"], [0]]
    )
    assert [row[0].label for row in explanation.targets] == ["blue", "red"]


def test_fewer_class_lists_than_photos_are_an_error_with_both_counts() -> None:
    with pytest.raises(errors.TargetError) as caught:
        seewhy.explain(classifier(), [photo(0)] * 3, classes=[["red"], ["blue"]])
    assert str(caught.value) == (
        "2 lists of classes were given for 3 photos. Give one list for all photos, or one list "
        "per photo."
    )


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"top": 1, "classes": ["red"]},
            "'top', 'classes' and 'target' exclude each other. Give one of them.",
        ),
        ({"classes": []}, "classes=[] selects no class. Name at least one."),
        (
            {"classes": ["red", ["blue"]]},
            "classes mixes classes and lists of classes. Give one list for all photos, or one list "
            "per photo.",
        ),
        (
            {"classes": [["red", "blue"], ["red"]]},
            "The lists of classes have between 1 and 2 entries. Give every photo the same number "
            "of classes, at least one.",
        ),
        (
            {"target": "red"},
            "A target is a callable on the network's output, not 'red'. For classes use "
            "classes=[...].",
        ),
    ],
)
def test_targets_that_cannot_be_are_refused(asked: dict[str, object], message: str) -> None:
    with pytest.raises(errors.TargetError) as caught:
        seewhy.explain(classifier(), [photo(0), photo(1)], **asked)
    assert str(caught.value) == message


def test_a_callable_target_is_explained_by_its_own_value() -> None:
    explanation = seewhy.explain(
        classifier(), photo(0), method="grad-cam", target=lambda scores: scores.sum(axis=1)
    )
    assert explanation.targets[0][0].label == "target"
    assert explanation.targets[0][0].score == pytest.approx((200 / 255) / 24)
    assert explanation.predictions[0][0].label == "red"
    assert explanation.title() == "target 0.03"


def test_an_unknown_method_names_the_nearest() -> None:
    with pytest.raises(errors.UnknownMethod) as caught:
        seewhy.explain(classifier(), photo(0), method="grad-kam")
    assert str(caught.value) == (
        "There is no method 'grad-kam'. The nearest names are 'grad-cam' and 'xgrad-cam'. "
        "List them all: seewhy methods"
    )


def test_an_option_that_the_method_does_not_have_is_refused() -> None:
    with pytest.raises(errors.OptionError) as caught:
        seewhy.explain(classifier(), photo(0), method="grad-cam", patch=3)
    assert str(caught.value) == (
        "The method 'grad-cam' has no option 'patch'. It has none. Methods with this option: "
        "occlusion."
    )


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        (
            "occlusion",
            {"pach": 3},
            "The method 'occlusion' has no option 'pach'. It has: patch, stride, fill, watch, "
            "reduction, engine. The nearest name is 'patch'.",
        ),
        (
            "grad-cam",
            {"clases": ["red"]},
            "The method 'grad-cam' has no option 'clases'. It has none. The nearest name is "
            "'classes'.",
        ),
        (
            "smooth-grad",
            {"samples": "many"},
            "samples='many' is not valid for the method 'smooth-grad'. Give a whole number, 1 to "
            "1,000,000.",
        ),
        (
            "rise",
            {"probability": float("nan")},
            "probability=nan is not valid for the method 'rise'. Give a number, 0 to 1.",
        ),
        (
            "occlusion",
            {"engine": "fast"},
            "engine='fast' is not valid for the method 'occlusion'. Give one of auto, sweep, "
            "incremental.",
        ),
        (
            "occlusion",
            {"patch": 0},
            "patch=0 is not valid for the method 'occlusion'. Give pixels (32), a share of the "
            "input (0.15), or both for height and width (16x32).",
        ),
    ],
)
def test_wrong_options_are_refused_before_a_network_is_loaded(
    method: str, options: dict[str, object], message: str
) -> None:
    with pytest.raises(errors.OptionError) as caught:
        seewhy.explain("a network that is never loaded", photo(0), method=method, **options)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("GradCAM", "grad-cam"),
        ("grad_cam", "grad-cam"),
        ("Grad CAM", "grad-cam"),
        ("CAM", "cam"),
        ("GradCAMpp", "grad-cam++"),
        ("GradCAMPlusPlus", "grad-cam++"),
        ("smoothgrad", "smooth-grad"),
        ("LayerCAM", "layer-cam"),
    ],
)
def test_a_method_is_found_in_any_usual_spelling(spelling: str, name: str) -> None:
    assert seewhy.explain(classifier(), photo(0), method=spelling).method == name
    found = seewhy.compare(classifier(), photo(0), methods=[spelling, name], options={spelling: {}})
    assert list(found) == [name]


def test_options_of_a_method_that_does_not_run_are_refused() -> None:
    with pytest.raises(errors.OptionError) as caught:
        seewhy.compare(classifier(), photo(0), methods=["cam"], options={"rise": {"masks": 9}})
    assert str(caught.value) == (
        "Options were given for 'rise', which is not among the methods: cam. Add it, or leave its "
        "options out."
    )


def test_an_empty_map_is_flagged_and_not_painted() -> None:
    explanation = seewhy.explain(classifier(), photo(0), method="grad-cam", classes=["blue"])
    assert explanation.empty.tolist() == [[True]]
    assert explanation.peak_at() is None
    assert "(empty map)" in explanation.title()
    assert not explanation.heatmap().any()


def test_a_faint_map_shows_as_bright_as_a_strong_one() -> None:
    faint = seewhy.explain(
        classifier(weights=np.eye(3, dtype=np.float32) * 1e-9), photo(0), method="cam", top=1
    )
    assert faint.peaks[0, 0] == pytest.approx(1e-9 * 200 / 255)
    assert faint.heatmap().max() == 1


def test_heatmaps_have_the_photos_own_size() -> None:
    large = np.asarray(Image.fromarray(photo(1)).resize((123, 77)))
    explanation = seewhy.explain(classifier(), large, method="cam", top=2)
    assert explanation.heatmaps[0].shape == (2, 77, 123)
    assert [picture.shape for picture in explanation.overlays()[0]] == [(77, 123, 3)] * 2


def test_json_holds_predictions_targets_and_peaks() -> None:
    explanation = seewhy.explain(classifier(), photo(1), method="grad-cam", classes=["green"])
    (row,) = json.loads(explanation.as_json())
    assert row["predictions"][0]["label"] == "green"
    assert row["targets"][0]["peak"] == pytest.approx((200 / 255) / 24)
    assert row["targets"][0]["index"] == 1
    assert (row["method"], row["layer"], row["model"]) == ("grad-cam", "maps", "linear")


def test_saved_maps_are_the_maps(tmp_path: Path) -> None:
    explanation = seewhy.explain(classifier(), photo(1), method="grad-cam", top=2)
    saved = np.load(explanation.save_maps(tmp_path / "maps.npz"))
    np.testing.assert_array_equal(saved["maps"], explanation.maps)
    assert saved["labels"].tolist() == [["green", "red"]]


def test_several_photos_are_saved_under_their_names(tmp_path: Path) -> None:
    for name, colour in (("a", 0), ("b", 1)):
        Image.fromarray(photo(colour)).save(tmp_path / f"{name}.png")
    explanation = seewhy.explain(classifier(), tmp_path, method="cam", top=1)
    files = explanation.save(tmp_path / "out" / "why.png")
    assert [file.name for file in files] == ["why_a.png", "why_b.png"]
    for file in files:
        with Image.open(file) as picture:
            assert picture.width > 100


def test_a_layer_without_a_map_is_refused() -> None:
    with pytest.raises(errors.LayerError) as caught:
        seewhy.explain(classifier(), photo(0), method="eigen-cam", layer="flat")
    assert str(caught.value) == (
        "The layer 'flat' of 'linear' has outputs of shape 3: it has no rows and columns to "
        "show. Choose a layer with a spatial map, such as 'maps', or list them: "
        "classifier.network.layers"
    )


def test_the_mean_that_covers_a_patch_is_not_rounded_to_8_bits() -> None:
    shown = seewhy.explain(
        classifier(), photo(0), method="occlusion", classes=["red"], patch=(8, 12), stride=8
    )
    # 4 of 96 pixels are 200: the mean is 8.33 of 255, and covering all with it changes nothing.
    assert abs(shown.maps[0, 0]).max() < 1e-8
    assert shown.extras[0]["filled"][0, 0].tolist() == [8, 0, 0]  # the picture of it


def test_occlusion_of_the_linear_network_has_the_known_drop() -> None:
    explanation = seewhy.explain(
        classifier(),
        photo(1),
        method="occlusion",
        classes=["green"],
        patch=2,
        stride=2,
        fill="black",
    )
    expected = np.zeros((8, 12))
    expected[4:6, 6:8] = (200 / 255) / 24
    np.testing.assert_allclose(explanation.maps[0, 0], expected, atol=1e-7)
    assert explanation.extras[0]["grid"].shape == (1, 4, 6)


def test_feature_maps_fall_whatever_the_class() -> None:
    explanation = seewhy.explain(
        classifier(),
        photo(1),
        method="occlusion",
        patch=2,
        stride=2,
        fill="black",
        watch="feature-maps",
    )
    assert explanation.maps.shape == (1, 1, 8, 12)
    assert explanation.title() == "whatever the class"
    assert explanation.maps[0, 0, 4, 6] == pytest.approx((200 / 255) / 24)


@pytest.mark.parametrize(
    "method", ["grad-cam", "hires-cam", "eigen-cam", "score-cam", "ablation-cam"]
)
def test_the_input_can_be_explained_like_a_layer(method: str) -> None:
    from torch import nn

    see = nn.Conv2d(3, 4, 3, padding=1)
    network = nn.Sequential(see, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    own = seewhy.Classifier(network.eval(), size=(8, 12), preprocess="unit", labels=LABELS)
    explanation = seewhy.explain(own, photo(1), method=method, layer="input", top=1)
    assert explanation.maps.shape == (1, 1, 8, 12)
    assert explanation.layer == "input"
    assert np.isfinite(explanation.maps).all()


def test_a_softmax_written_by_hand_is_noticed() -> None:
    class Probable(LinearNetwork):
        def activations(self, images: np.ndarray, layers: list[str]) -> dict[str, np.ndarray]:
            found = super().activations(images, layers)
            for name in {":scores"} & set(found):
                powers = np.exp(found[name])
                found[name] = powers / powers.sum(axis=1, keepdims=True)
            return found

    own = seewhy.Classifier(Probable(head="linear"), preprocess="unit", labels=LABELS)
    with pytest.warns(
        errors.SeewhyWarning, match=r"^The outputs of 'linear' are never negative and"
    ):
        seewhy.explain(own, photo(1), method="eigen-cam")


class Dying:
    """An engine that dies while it sweeps."""

    def output(self, layer: str | None) -> int:
        raise RuntimeError("view size is not compatible")


class DyingInTheSweep(Engine):
    """An engine that passes the check of three windows, and dies after a batch of the sweep."""

    def __init__(self, network: LinearNetwork) -> None:
        object.__setattr__(self, "network", network)
        object.__setattr__(self, "sweeps", [])

    def output(self, layer: str | None) -> int:
        return 0

    def plan(self, windows: np.ndarray, **options: Any) -> Any:
        return SimpleNamespace(forecast=Forecast(gain=9.0, limit=9.0, plain=1.0, ahead=0.0))

    def sweep(
        self, image: np.ndarray, windows: np.ndarray, filled: np.ndarray, **options: Any
    ) -> np.ndarray:
        self.sweeps.append(len(windows))
        if len(windows) > 3:
            options["progress"](32, len(windows))
            raise RuntimeError("view size is not compatible")
        copies = np.repeat(image[None], len(windows), axis=0)
        for copy, (x0, y0, x1, y1) in zip(copies, windows, strict=True):
            copy[y0:y1, x0:x1] = filled[y0:y1, x0:x1]
        return self.network.scores(copies)


def test_an_engine_that_dies_in_the_sweep_costs_a_warning_and_no_map() -> None:
    network = LinearNetwork()
    engine = DyingInTheSweep(network)
    network.engine = lambda size: engine
    own = seewhy.Classifier(network, preprocess="unit", labels=LABELS)
    options = {"method": "occlusion", "patch": 2, "stride": 1, "top": 1}
    with pytest.warns(errors.SeewhyWarning) as caught:
        died = seewhy.explain(own, photo(1), **options)
    assert [str(one.message) for one in caught] == [
        "Every occluded copy is run whole, which takes longer: RuntimeError: view size is not "
        "compatible"
    ]
    again = seewhy.explain(own, photo(1), **options)
    whole = seewhy.explain(own, photo(1), engine="sweep", **options)
    np.testing.assert_array_equal(died.maps, whole.maps)
    np.testing.assert_array_equal(again.maps, whole.maps)
    assert engine.sweeps == [3, 77]


def test_an_engine_that_dies_is_given_up_for_whole_copies_and_not_tried_again() -> None:
    network = LinearNetwork()
    network.engine = lambda size: Dying()
    own = seewhy.Classifier(network, preprocess="unit", labels=LABELS)
    options = {"method": "occlusion", "patch": 2, "stride": 1, "top": 1}
    with pytest.warns(errors.SeewhyWarning) as caught:
        died = seewhy.explain(own, photo(1), **options)
    assert [str(one.message) for one in caught] == [
        "Every occluded copy is run whole, which takes longer: RuntimeError: view size is not "
        "compatible"
    ]
    again = seewhy.explain(own, photo(1), **options)
    whole = seewhy.explain(own, photo(1), engine="sweep", **options)
    np.testing.assert_array_equal(died.maps, whole.maps)
    np.testing.assert_array_equal(again.maps, whole.maps)


def test_a_regression_is_explained_as_its_value_and_has_no_probability() -> None:
    network = LinearNetwork(weights=np.array([[1, -1, 2]], np.float32), head="linear")
    one = seewhy.Classifier(network, preprocess="unit", labels=["age"], name="own")
    explanation = seewhy.explain(one, photo(1), method="grad-cam", classes=[0])
    (prediction,) = explanation.targets[0]
    assert (prediction.label, prediction.index) == ("age", 0)
    assert np.isnan(prediction.probability)
    np.testing.assert_allclose(prediction.score, -200 / 255 / 24, rtol=1e-5)
    with pytest.raises(errors.TargetError) as caught:
        seewhy.explain(one, photo(1), output="probability")
    assert str(caught.value) == (
        "'own' has one output and no sigmoid: a value, which has no probability. Explain the "
        "score, or give two labels if it is the logit of two classes."
    )
    with pytest.raises(errors.TargetError) as caught:
        seewhy.evaluate(one, [photo(1)], methods=["grad-cam"])
    assert str(caught.value) == (
        "'own' has one output and no sigmoid: a value, which has no probability that deletion and "
        "insertion could measure. Give two labels if it is the logit of two classes."
    )


def test_a_comparison_shows_and_saves_itself_and_is_still_a_mapping(tmp_path: Path) -> None:
    compared = seewhy.compare(
        classifier(), [photo(0), photo(1)], methods=["cam", "grad-cam"], classes=["red"]
    )
    assert list(compared) == ["cam", "grad-cam"]
    assert compared["cam"].method == "cam"
    files = compared.save(tmp_path / "why.png")
    assert [file.name for file in files] == ["why_photo.png", "why_photo-2.png"]
    with Image.open(files[1]) as page:
        np.testing.assert_array_equal(np.asarray(page), compared.picture(1))
    assert repr(compared).startswith("ComparedMethods(2 photos of ")
    assert compared._repr_html_().count("<img") == 2
