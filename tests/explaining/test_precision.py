"""precision="bfloat16": the error that is measured, and what is left alone."""

from __future__ import annotations

import contextlib
import json
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from torch import nn

import seewhy
from seewhy.commands import cli
from seewhy.commands.options import methods_and_options
from seewhy.errors import ModelError, OptionError, OutputError, SeewhyWarning
from seewhy.explaining.question import take_execution
from seewhy.explaining.rounding import Rounding, map_error, measure_rounding, same_order
from seewhy.methods import METHODS
from seewhy.networks import execution
from seewhy.networks.execution import Execution, processor_has_units
from seewhy.networks.pytorch.module import PyTorchNetwork
from tests.linear_network import LinearNetwork
from tests.loading import load_this

SIZE = 32


class Small(nn.Module):
    """Two convolutions with batch normalization, and a linear layer on the pooled maps."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1),
            nn.ReLU(inplace=True),
        )
        self.scores = nn.Linear(16, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scores(self.maps(x).mean((2, 3)))


class Cancelling(Small):
    """A network made to be bad in bfloat16: its maps are differences of large numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.large = nn.Conv2d(3, 16, 1)
        with torch.no_grad():
            self.large.bias.fill_(1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = self.maps[:5](x)
        large = nn.functional.max_pool2d(self.large(x), 2)
        return self.scores(torch.relu(self.maps[5](maps) + large - 1000).mean((2, 3)))


def made(kind: type[nn.Module] = Small) -> nn.Module:
    torch.manual_seed(0)
    return kind().eval()


def classifier(model: nn.Module | None = None) -> seewhy.Classifier:
    return seewhy.Classifier(
        made() if model is None else model,
        size=SIZE,
        preprocess="unit",
        labels=["one", "two", "three", "four"],
        name="small",
    )


def photos(count: int = 2) -> list[np.ndarray]:
    coarse = np.random.default_rng(0).integers(0, 255, (count, 4, 4, 3)).astype(np.uint8)
    return [np.asarray(Image.fromarray(one).resize((SIZE, SIZE))) for one in coarse]


def state(model: nn.Module) -> dict[str, Any]:
    """Return everything of a module and of PyTorch that must stay as it was."""
    values = {name: value.clone() for name, value in model.state_dict().items()}
    return {
        "values": {name: value.numpy().tobytes() for name, value in values.items()},
        "types": {name: value.dtype for name, value in values.items()},
        "strides": {name: value.stride() for name, value in model.state_dict().items()},
        "training": [one.training for one in model.modules()],
        "hooks": [len(one._forward_hooks) + len(one._forward_pre_hooks) for one in model.modules()],
        "requires_grad": [one.requires_grad for one in model.parameters()],
        "grad": [one.grad for one in model.parameters()],
        "autocast": [torch.is_autocast_enabled(device) for device in ("cpu", "cuda")],
        "grad mode": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "default": torch.get_default_dtype(),
    }


@pytest.fixture(autouse=True)
def units(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute in bfloat16 on a processor without units too."""
    monkeypatch.setattr(execution, "processor_has_units", lambda: True)


FEW: dict[str, dict[str, Any]] = {
    "rise": {"masks": 40},
    "smooth-grad": {"samples": 3},
    "integrated-gradients": {"steps": 3},
    "occlusion": {"patch": 16},
}


@pytest.mark.parametrize("name", [one.name for one in METHODS.values() if not one.attends])
def test_every_method_answers_in_float32_with_its_error(name: str) -> None:
    one = classifier()
    exact = seewhy.explain(one, photos(), method=name, top=2, **FEW.get(name, {}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SeewhyWarning)  # small networks are rounded coarsely
        found = seewhy.explain(
            one, photos(), method=name, top=2, precision="bfloat16", **FEW.get(name, {})
        )
    assert found.maps.dtype == np.float32
    assert found.maps.shape == exact.maps.shape
    assert exact.rounding is None
    assert found.rounding is not None
    assert found.rounding.execution == "bfloat16"
    assert found.rounding.photos == (2 if seewhy.METHODS[name].per_batch else 1)
    assert (found.maps != exact.maps).any()
    if found.rounding.photos == 2:
        pairs = zip(found.maps, exact.maps, strict=True)
        largest = max(map_error(*both) for pair in pairs for both in zip(*pair, strict=True))
        assert found.rounding.map_error == pytest.approx(largest, rel=1e-3)


def test_grad_cam_is_off_by_little_and_says_so() -> None:
    exact = seewhy.explain(classifier(), photos(), method="grad-cam", top=2)
    found = seewhy.explain(classifier(), photos(), method="grad-cam", top=2, precision="bfloat16")
    assert found.rounding is not None
    assert 0 < found.rounding.map_error < 0.1
    assert found.rounding.rank_correlation > 0.99
    assert found.rounding.same_top == 2
    np.testing.assert_allclose(found.maps, exact.maps, atol=0.1 * np.abs(exact.maps).max())
    assert found.provenance is not None
    facts = found.provenance.as_dict()
    assert facts["precision"] == "bfloat16"
    assert facts["rounding"] == found.rounding.as_dict()
    told = json.loads(str(found.arrays()["provenance"]))
    assert told["rounding"]["map_error"] == found.rounding.map_error
    (row, _) = json.loads(found.as_json())
    assert row["provenance"]["rounding"]["same_top"] == 2
    assert exact.provenance is not None
    assert exact.provenance.facts["precision"] == "float32"
    assert exact.provenance.facts["rounding"] is None


def test_the_first_batch_of_a_question_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    one = classifier()
    passes: list[tuple[str, int]] = []
    own = PyTorchNetwork.activations

    def counted(self: PyTorchNetwork, images: np.ndarray, layers: Any) -> Any:
        passes.append((str(self._execution), len(images)))
        return own(self, images, layers)

    monkeypatch.setattr(PyTorchNetwork, "activations", counted)
    items = list(seewhy.stream(one, photos(6), method="cam", precision="bfloat16", batch_size=2))
    once = [("bfloat16", 2), ("float32", 2), ("bfloat16", 2), ("bfloat16", 2)]
    assert passes == once
    first = items[0]
    assert isinstance(first, seewhy.Explanation)
    assert first.rounding is not None
    assert first.rounding.photos == 2
    assert all(getattr(item, "rounding", None) == first.rounding for item in items)
    again = seewhy.explain(one, photos(2), method="cam", precision="bfloat16")
    assert again.rounding == first.rounding
    assert passes == [*once, ("bfloat16", 2)]


def test_a_network_that_is_bad_in_bfloat16_is_a_warning() -> None:
    message = r"^In bfloat16 a map is off by \d+ % of its amplitude\. Use precision='float32'\.$"
    with pytest.warns(SeewhyWarning, match=message):
        found = seewhy.explain(
            classifier(made(Cancelling)), photos(), method="layer-cam", precision="bfloat16"
        )
    assert found.rounding is not None
    assert found.rounding.map_error > 0.1


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_and_the_switches_of_pytorch_stay_as_they_were(fails: bool) -> None:
    model = made().train()
    model.maps[0].weight.requires_grad_(False)  # type: ignore[operator, union-attr, index]
    before = state(model)

    def target(output: torch.Tensor) -> torch.Tensor:
        if fails:
            raise ZeroDivisionError("the user's own")
        return output[:, 0]

    one = classifier(model)
    with contextlib.suppress(ZeroDivisionError):
        seewhy.explain(one, photos(), method="grad-cam", target=target, precision="bfloat16")
    np.testing.assert_equal(state(model), before)


def test_threads_explain_in_both_precisions() -> None:
    model = made()
    before, one = state(model), classifier(model)
    exact = seewhy.explain(one, photos(), method="grad-cam")
    rounded = seewhy.explain(one, photos(), method="grad-cam", precision="bfloat16")
    with ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(
                lambda precision: seewhy.explain(
                    one, photos(), method="grad-cam", precision=precision
                ),
                ["float32", "bfloat16"] * 4,
            )
        )
    for explanation in found[::2]:
        np.testing.assert_array_equal(explanation.maps, exact.maps)
    for explanation in found[1::2]:
        np.testing.assert_array_equal(explanation.maps, rounded.maps)
    np.testing.assert_equal(state(model), before)


def test_a_network_that_is_trained_further_is_converted_again() -> None:
    model = made()
    one = classifier(model)
    seewhy.explain(one, photos(), method="grad-cam", precision="bfloat16")
    with torch.no_grad():
        model.scores.weight.mul_(-2)  # type: ignore[operator, union-attr]
    exact = seewhy.explain(one, photos(), method="grad-cam", classes=[0])
    found = seewhy.explain(one, photos(), method="grad-cam", classes=[0], precision="bfloat16")
    np.testing.assert_allclose(found.maps, exact.maps, atol=0.1 * np.abs(exact.maps).max())
    assert np.abs(exact.maps).max() > 1e-4


class Handmade(Small):
    """Makes float32 tensors of its own, which a converted copy cannot multiply."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(nn.functional.conv2d(x, torch.eye(3)[:, :, None, None]))


class ByNumbers(Small):
    """Its way depends on numbers, so that its data flow is not known before it runs."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x if x.mean() > -1e9 else -x)


class Locked(Small):
    """Cannot be copied."""

    def __deepcopy__(self, memo: object) -> nn.Module:
        raise TypeError("cannot pickle '_thread.lock' object")


@pytest.mark.parametrize("kind", [Handmade, Locked])
def test_a_module_that_cannot_be_converted_runs_under_autocast(kind: type[nn.Module]) -> None:
    model = made(kind)
    before, one = state(model), classifier(model)
    exact = seewhy.explain(one, photos(), method="grad-cam")
    found = seewhy.explain(one, photos(), method="grad-cam", precision="bfloat16")
    np.testing.assert_allclose(found.maps, exact.maps, atol=0.1 * np.abs(exact.maps).max())
    assert (found.maps != exact.maps).any()
    np.testing.assert_equal(state(model), before)


def test_without_units_the_network_computes_in_float32_and_one_sentence_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(execution, "processor_has_units", lambda: False)
    one = classifier()
    message = (
        r"^This processor has no bfloat16 units \(AMX, AVX512_BF16 or ARM's BF16\), so bfloat16 "
        r"would not be faster\. 'small' is run in float32\.$"
    )
    with pytest.warns(SeewhyWarning, match=message):
        found = seewhy.explain(one, photos(), precision="bfloat16")
    assert found.rounding is None
    assert found.provenance is not None
    assert found.provenance.facts["precision"] == "float32"
    np.testing.assert_array_equal(found.maps, seewhy.explain(one, photos()).maps)


def test_a_network_of_ones_own_making_computes_as_it_does() -> None:
    message = (
        r"^A network of your own computes in its own precision\. 'linear' is run in float32\.$"
    )
    one = seewhy.Classifier(LinearNetwork(), preprocess="unit", labels=["r", "g", "b"])
    with pytest.warns(SeewhyWarning, match=message):
        found = seewhy.explain(one, photos(1), precision="bfloat16")
    assert found.rounding is None


@pytest.mark.parametrize(
    ("listed", "has"),
    [
        ("processor: 0\nflags\t\t: fpu avx512f avx512_bf16 amx_tile\n", True),
        ("Features\t: fp asimd bf16\n", True),
        ("flags\t\t: fpu avx2 avx512f\nbugs\t\t: bf16\n", False),
    ],
)
def test_the_processors_flags_are_read(
    listed: str, has: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(listed)
    monkeypatch.setattr(execution, "CPUINFO", file)
    assert processor_has_units() is has


def test_elsewhere_pytorch_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(execution, "CPUINFO", tmp_path / "none")
    for has in (True, False):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda has=has: {"avx512_bf16": has})
        assert processor_has_units() is has


@pytest.mark.parametrize(("capability", "refused"), [((7, 5), True), ("8.0", False), (None, False)])
def test_old_gpus_have_no_units(capability: Any, refused: bool) -> None:
    message = (
        r"^The GPU 'T4' has no bfloat16 units, which NVIDIA's GPUs have from compute capability "
        r"8\.0 on\.$"
    )
    with pytest.raises(ModelError, match=message) if refused else contextlib.nullcontext():
        execution.check_capability(capability, "T4")


def test_an_unknown_precision_is_an_error() -> None:
    message = (
        r"^precision='float16' is not valid\. Give one of float32, bfloat16\. The nearest is "
        r"'bfloat16'\.$"
    )
    with pytest.raises(OptionError, match=message):
        take_execution({}, "float16")


def test_methods_share_the_network_and_its_precision() -> None:
    options = {"cam": {"precision": "bfloat16"}}
    both = seewhy.compare(classifier(), photos(), methods=["cam", "grad-cam"], options=options)
    assert [one.rounding is not None for one in both.values()] == [True, True]
    message = (
        r"^The methods share the network, and 'precision' differs among them\. Give one value for "
        r"all\.$"
    )
    options["grad-cam"] = {"precision": "float32"}
    with pytest.raises(OptionError, match=message):
        seewhy.compare(classifier(), photos(), methods=["cam", "grad-cam"], options=options)


# Numbers by hand


def test_the_error_of_a_map_is_a_share_of_its_amplitude() -> None:
    exact = np.array([[0, -4], [2, np.nan]], np.float32)
    rounded = np.array([[0.5, -4], [1, 7]], np.float32)
    assert map_error(rounded, exact) == 0.25
    assert map_error(rounded, exact, from_minimum=True) == pytest.approx(1 / 6)
    empty = np.zeros((2, 2), np.float32)
    assert map_error(empty, empty) == 0
    assert map_error(rounded, empty) == 1


def test_rank_correlation_gives_equal_values_their_mean_rank() -> None:
    random = np.random.default_rng(0)
    first, second = random.integers(0, 5, (2, 6, 7)).astype(np.float32)
    expected = stats.spearmanr(first.ravel(), second.ravel()).statistic
    assert same_order(first, second) == pytest.approx(expected)
    assert same_order(first, first) == pytest.approx(1)
    flat = np.zeros((6, 7), np.float32)
    assert (same_order(flat, flat), same_order(flat, first)) == (1, 0)


def test_a_rounding_is_told_in_one_sentence() -> None:
    maps = np.zeros((1, 2, 2), np.float32)
    maps[0, 0] = [1, 3]
    other = maps.copy()
    other[0, 0, 1] = 2.94
    before, after = np.array([[0.9, 0.1]], np.float32), np.array([[0.875, 0.125]], np.float32)
    found = measure_rounding(Execution("bfloat16"), [(other, maps)], (after, before))
    assert str(found) == (
        "bfloat16, against float32 on the first photo: maps off by at most 2 % of their amplitude, "
        "rank correlation at least 1.000; probabilities off by at most 0.025, the best class the "
        "same for 1 of 1."
    )
    free = Rounding("bfloat16", 8, 0.02, 0.998, None, None)
    assert str(free) == (
        "bfloat16, against float32 on the first 8 photos: maps off by at most 2 % of "
        "their amplitude, rank correlation at least 0.998."
    )


# The command line


def test_flags_of_the_network_belong_to_every_method() -> None:
    parser = cli.build_parser()

    def options(text: str) -> dict[str, Any]:
        return methods_and_options(parser.parse_args(text.split()))[1]

    narrow = {"precision": "bfloat16"}
    flags = "explain a.png --precision bfloat16 --method"
    assert options(f"{flags} cam,rise") == {"cam": narrow, "rise": narrow}
    left, how = take_execution(options(f"{flags} cam"))
    assert (left, how) == ({"cam": {}}, Execution("bfloat16"))
    for text in ("explain a.png", "batch a.png --out run"):
        assert options(text) == {"cam": {}}


def test_the_command_line_prints_the_error_once_and_keeps_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    load_this(classifier, monkeypatch)
    monkeypatch.chdir(tmp_path)
    for number, pixels in enumerate(photos(3)):
        Image.fromarray(pixels).save(f"{number}.png")
    arguments = ["explain", "0.png", "1.png", "2.png", "--batch-size", "2", "--json"]
    assert cli.main([*arguments, "--precision", "bfloat16"]) == 0
    printed = capsys.readouterr()
    line = "cam: bfloat16, against float32 on the first 2 photos: maps off by at most "
    assert printed.err.count(line) == 1
    rows = json.loads(printed.out)
    assert [row["provenance"]["rounding"]["photos"] for row in rows] == [2, 2, 2]
    assert cli.main(arguments) == 0
    assert "bfloat16" not in capsys.readouterr().err


def test_a_run_keeps_the_error_of_its_first_batch(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path, pixels in zip(paths, photos(3), strict=True):
        Image.fromarray(pixels).save(path)
    settings: dict[str, Any] = {"method": "grad-cam", "batch_size": 2, "shard_size": 2}
    run = seewhy.batch(classifier(), paths, tmp_path / "run", precision="bfloat16", **settings)
    assert run.rounding is not None
    assert (run.rounding.execution, run.rounding.photos) == ("bfloat16", 2)
    assert 0 < run.rounding.map_error < 0.1
    again = seewhy.read_run(tmp_path / "run")
    assert again.rounding == run.rounding
    assert all(one.rounding == run.rounding for one in again)
    request = again.question.request
    assert (request.precision, dict(request.options)) == ("bfloat16", {})
    with pytest.raises(OutputError, match=r'precision: "bfloat16" there, "float32" now'):
        seewhy.batch(classifier(), paths, tmp_path / "run", **settings)
    exact = seewhy.batch(classifier(), paths, tmp_path / "exact", **settings)
    assert exact.rounding is None
