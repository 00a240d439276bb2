"""CLIP and SigLIP as classifiers of prompts: equal to transformers' and open_clip's own scores.

Axes: n image, k class, c feature.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import seewhy
from seewhy.classifier.fingerprint import network_fingerprint
from seewhy.datasets.question import ModelArguments
from seewhy.errors import ModelError, OptionError, OutputError, SeewhyError
from tests.networks.clip import make_clip, make_processor, save_clip, tokenizer
from tests.torchvision_operators import declare_missing_operators

declare_missing_operators()
transformers = pytest.importorskip("transformers")

PROMPTS = ["a cat", "a dog", "red circle"]
PHOTO = np.random.default_rng(0).integers(0, 256, (80, 100, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {
        kind: save_clip(tmp_path_factory.mktemp(kind), kind=kind) for kind in ("CLIP", "Siglip")
    }


def own_logits(folder: Path, texts: list[str]) -> np.ndarray:
    """What transformers itself says of PHOTO and texts."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    processor = transformers.AutoProcessor.from_pretrained(folder, backend="pil")
    given = processor(
        text=texts, images=Image.fromarray(PHOTO), padding="max_length", return_tensors="pt"
    )
    with torch.no_grad():
        return model(**given).logits_per_image[0].numpy()


def scores(classifier: seewhy.Classifier) -> dict[str, float]:
    predictions = seewhy.explain(classifier, PHOTO, top=1).predictions[0]
    return {prediction.label: prediction.score for prediction in predictions}


@pytest.mark.parametrize("kind", ["CLIP", "Siglip"])
def test_scores_are_the_librarys_own_less_that_of_the_empty_prompt(
    folders: dict[str, Path], kind: str
) -> None:
    *own, empty = own_logits(folders[kind], [*PROMPTS, ""])
    name = f"hf:{folders[kind]}"
    plain = scores(seewhy.load(name, prompts=PROMPTS, neutral=False))
    assert plain == pytest.approx(dict(zip(PROMPTS, own, strict=True)), abs=1e-5)
    contrasted = scores(seewhy.load(name, prompts=PROMPTS))
    expected = {prompt: score - empty for prompt, score in zip(PROMPTS, own, strict=True)}
    assert contrasted == pytest.approx(expected, abs=1e-5)


def test_the_empty_prompt_changes_no_probability_but_the_map(folders: dict[str, Path]) -> None:
    name = f"hf:{folders['CLIP']}"
    found = [
        seewhy.explain(seewhy.load(name, prompts=PROMPTS, neutral=neutral), PHOTO, classes=[0])
        for neutral in ("", False)
    ]
    probabilities = [[guess.probability for guess in one.predictions[0]] for one in found]
    assert probabilities[0] == pytest.approx(probabilities[1], abs=1e-6)
    assert not np.allclose(found[0].maps, found[1].maps, rtol=0.1)


def test_the_map_is_grad_cam_of_the_librarys_score_less_that_of_the_empty_prompt(
    folders: dict[str, Path],
) -> None:
    """By hand: a hook on transformers' own model, its own gradient, the formula."""
    classifier = seewhy.load(f"hf:{folders['CLIP']}", prompts=PROMPTS)
    explanation = seewhy.explain(classifier, PHOTO, method="grad-cam")
    model = transformers.AutoModel.from_pretrained(folders["CLIP"]).eval()
    processor = transformers.AutoProcessor.from_pretrained(folders["CLIP"], backend="pil")
    caught: list[torch.Tensor] = []
    layer = model.get_submodule(explanation.layer)
    layer.register_forward_hook(lambda module, inputs, output: caught.append(output))
    given = processor(
        text=[*PROMPTS, ""], images=Image.fromarray(PHOTO), padding="max_length",
        return_tensors="pt",
    )  # fmt: skip
    logits = model(**given).logits_per_image[0]
    best = explanation.targets[0][0].index
    (slope,) = torch.autograd.grad(logits[best] - logits[3], caught)
    patches, slopes = caught[0][0, 1:], slope[0, 1:]  # without the class token
    by_hand = (patches * slopes.mean(0)).sum(1).relu().reshape(4, 4).detach().numpy()
    np.testing.assert_allclose(explanation.maps[0, 0], by_hand, atol=1e-5)


def test_embeddings_of_several_templates_are_averaged(folders: dict[str, Path]) -> None:
    templates = ["a photo of a {}", "the {}"]
    model = transformers.AutoModel.from_pretrained(folders["CLIP"]).eval()
    words = tokenizer()
    rows = []
    with torch.no_grad():
        for prompt in ("cat", "dog"):
            parts = []
            for template in templates:
                tokens = words([template.format(prompt)], return_tensors="pt")
                part = model.get_text_features(**tokens).pooler_output[0]
                parts.append(part / part.norm())
            mean = sum(parts) / len(parts)
            rows.append(mean / mean.norm() * model.logit_scale.exp())
    classifier = seewhy.load(
        f"hf:{folders['CLIP']}", prompts="cat,dog", template=templates, neutral=False
    )
    found = classifier.network.model.head.weight.detach()
    np.testing.assert_allclose(found.numpy(), torch.stack(rows).numpy(), atol=1e-5)
    assert str(classifier.prompts) == "2 prompts in 'a photo of a {}' and 'the {}'"


def test_a_model_in_python_is_left_as_it_was_and_the_processor_brings_its_tokenizer() -> None:
    model = make_clip().train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    processor = make_processor()
    classifier = seewhy.Classifier(model, prompts=PROMPTS, preprocess=processor)
    seewhy.explain(classifier, PHOTO)
    assert classifier.labels == tuple(PROMPTS)
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_one_prompt_is_a_value_and_names_may_be_given_to_prompts() -> None:
    settings = {"preprocess": make_processor()}
    one = seewhy.Classifier(make_clip(), prompts=["a cat"], **settings)
    assert (one.is_regression, one.labels) == (True, ("a cat",))
    named = seewhy.Classifier(make_clip(), prompts=PROMPTS, labels=["c", "d", "r"], **settings)
    assert named.labels == ("c", "d", "r")


def test_occlusion_and_boxes_and_a_contrast_work_unchanged() -> None:
    classifier = seewhy.Classifier(make_clip(), prompts=PROMPTS, preprocess=make_processor())
    occluded = seewhy.explain(classifier, PHOTO, method="occlusion", patch=32, stride=32, top=3)
    assert occluded.maps.shape == (1, 3, 64, 64)
    contrasted = seewhy.explain(classifier, PHOTO, classes=["a cat"], contrast=["a dog"])
    assert contrasted.targets[0][0].rivals is not None
    assert len(seewhy.locate(classifier, PHOTO)) == 1


def test_a_run_stores_the_prompts_and_is_not_continued_with_others(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    pytest.importorskip("pyarrow")
    Image.fromarray(PHOTO).save(tmp_path / "photo.png")
    name, out = f"hf:{folders['CLIP']}", tmp_path / "run"
    settings = {"prompts": PROMPTS, "template": "a photo of {}"}
    run = seewhy.batch(name, tmp_path / "photo.png", out, top=1, settings=settings)
    assert run.counts["failed"] == 0
    stored = json.loads((out / "run.json").read_text("utf-8"))
    assert stored["model"]["settings"] == settings
    assert stored["network"]["labels"] == PROMPTS
    arguments = ModelArguments(**stored["model"])
    base, again = arguments.stored()
    rebuilt = network_fingerprint(seewhy.load(base, **again))
    assert rebuilt == network_fingerprint(seewhy.load(name, **settings))
    others = {**settings, "template": "the {}"}
    with pytest.raises(OutputError, match="weights"):
        seewhy.batch(name, tmp_path / "photo.png", out, top=1, settings=others)


def test_a_relative_folder_is_found_where_the_run_was_started(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = folders["CLIP"]
    monkeypatch.chdir(folder.parent)
    arguments = ModelArguments.of(f"hf:{folder.name}", {"prompts": PROMPTS})
    monkeypatch.chdir(tmp_path)
    assert arguments.stored() == (f"hf:{folder}", {"prompts": PROMPTS})


def refused(**given: Any) -> str:
    with pytest.raises(SeewhyError) as error:
        seewhy.Classifier(make_clip(), **{"preprocess": make_processor(), **given})
    return str(error.value)


def test_bad_prompts_are_refused_in_one_sentence() -> None:
    assert refused() == (
        "'CLIPModel' compares images with texts, and has no classes of its own. Name them: "
        "prompts=['a cat', 'a dog'], or --prompt 'a cat' --prompt 'a dog'."
    )
    assert refused(prompts=[]) == "There is no text in prompts. Name at least one: 'a cat'."
    assert refused(prompts=[1]) == (
        "prompts=[1] are no texts. Give a list of words: prompts=['a cat', 'a dog']."
    )
    assert refused(prompts=["a cat", "a  cat"]) == (
        "The prompt 'a cat' is given twice. Give each class once."
    )
    assert refused(prompts=["a cat", " "]) == (
        "One of the prompts is empty. Leave it out: the empty prompt is neutral=''."
    )
    assert refused(prompts=["cat"], template="a photo") == (
        "The template 'a photo' has no place for the prompt. Write {} there: 'a photo of a {}'."
    )
    assert refused(template="a {}") == (
        "A template is the sentence around prompts, and there are none. Give them: "
        "prompts=['cat', 'dog'], or --prompt cat --prompt dog."
    )
    assert refused(prompts=["cat"], neutral=3) == (
        "neutral=3 is no prompt. Give a text, or False to contrast nothing."
    )
    assert refused(prompts=["cat " * 11]) == (
        "The prompt 'cat cat cat cat cat cat cat cat cat cat ...' has 13 tokens, and 'CLIPModel' "
        "reads 12. Shorten it."
    )
    assert refused(prompts=["cat"], preprocess="tf") == (
        "'CLIPModel' has no tokenizer beside it, which prompts need. Give it: "
        "tokenizer=AutoTokenizer.from_pretrained(...)"
    )


def test_a_network_without_text_takes_no_prompts() -> None:
    with pytest.raises(ModelError) as error:
        seewhy.load("built-in", prompts=["a cat"])
    assert str(error.value) == (
        "'built-in' knows no texts, so that prompts cannot be its classes. Leave prompts out, or "
        "give a network that compares images with texts: CLIP or SigLIP."
    )


@pytest.fixture
def small_open_clip(tmp_path: Path) -> Iterator[Any]:
    """open_clip with a network of its own kind that is small, and a file of its weights."""
    open_clip = pytest.importorskip("open_clip")
    text = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    vision = {"image_size": 64, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16}
    settings = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": text}
    (tmp_path / "seewhy-small.json").write_text(json.dumps(settings), encoding="utf-8")
    open_clip.add_model_config(tmp_path)
    torch.manual_seed(0)
    model = open_clip.create_model("seewhy-small").eval()
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    yield open_clip
    open_clip.factory._MODEL_CONFIG_PATHS.remove(tmp_path)
    open_clip.factory._rescan_model_configs()


def test_open_clip_is_loaded_from_a_file_and_has_its_own_scores(
    small_open_clip: Any, tmp_path: Path
) -> None:
    weights = tmp_path / "weights.pt"
    model, _, transform = small_open_clip.create_model_and_transforms(
        "seewhy-small", pretrained=str(weights)
    )
    model.eval()
    words = small_open_clip.get_tokenizer("seewhy-small")([*PROMPTS, ""])
    with torch.no_grad():
        image = transform(Image.fromarray(PHOTO))[None]
        features, texts, scale = model(image, words)
        *own, empty = (scale * features @ texts.T)[0].tolist()
    expected = {prompt: score - empty for prompt, score in zip(PROMPTS, own, strict=True)}
    loaded = seewhy.load(f"openclip:seewhy-small?pretrained={weights}", prompts=PROMPTS)
    assert scores(loaded) == pytest.approx(expected, abs=1e-5)
    bare = seewhy.Classifier(model, preprocess=transform, prompts=PROMPTS)
    assert scores(bare) == pytest.approx(expected, abs=1e-5)
    assert loaded.layer == bare.layer == "visual.transformer.resblocks.0"


def test_open_clip_asks_for_weights_and_knows_its_names(small_open_clip: Any) -> None:
    with pytest.raises(SeewhyError) as error:
        seewhy.load("openclip:seewhy-small", prompts=PROMPTS)
    assert str(error.value) == (
        "'openclip:seewhy-small' needs weights. Name their file, pretrained=FILE."
    )
    with pytest.raises(SeewhyError, match=r"^open_clip has no network 'seewhy-smal'; the nearest"):
        seewhy.load("openclip:seewhy-smal", prompts=PROMPTS)
    with pytest.raises(OptionError, match=r"cannot be built: Pretrained value"):
        seewhy.load("openclip:seewhy-small?pretrained=nowhere.pt", prompts=PROMPTS)
