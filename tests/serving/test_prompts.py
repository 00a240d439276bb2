"""The page's box for prompts: they become the classes of a network of images and texts."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

import seewhy
from seewhy.serving.server import Loaded, build_app
from tests.colour_network import colour_classifier
from tests.networks.clip import save_clip
from tests.serving.conftest import HOST, OWN, frames, send
from tests.torchvision_operators import declare_missing_operators

declare_missing_operators()
pytest.importorskip("transformers")


def test_other_prompts_become_the_classes(tmp_path: Path) -> None:
    name = f"hf:{save_clip(tmp_path)}"
    clip = seewhy.load(name, prompts=["a cat", "a dog"])
    models = [
        Loaded("clip", clip, name, {"prompts": ["a cat", "a dog"]}),
        Loaded("colours", colour_classifier(), "colours"),
    ]
    app = build_app(models, hosts=frozenset({HOST}))
    with TestClient(app, base_url=f"http://{HOST}", headers=OWN) as client:
        listed = client.get("/api/about").json()["models"]
        assert listed[0]["prompts"]["texts"] == ["a cat", "a dog"]
        assert "less that of an empty prompt" in listed[0]["prompts"]["says"]
        assert listed[1]["prompts"] is None
        said = client.post("/api/prompts", json={"model": "clip", "prompts": ["red circle", "cat"]})
        assert said.json()["labels"] == ["red circle", "cat"]
        (photo,) = frames(send(client).content)
        asked = {"model": "clip", "photo": photo["id"], "request": {"top": 1}}
        found = frames(client.post("/api/explain", json=asked).content)[-1]
        labels = {one["label"] for one in found["predictions"]}
        assert labels == {"red circle", "cat"}
        code = frames(client.post("/api/code", json=asked).content)[-1]
        assert 'prompts=["red circle", "cat"]' in code["python"]
        assert "--prompt 'red circle' --prompt cat" in code["command"]
        for prompts in ([], [""], ["cat", "cat"], {"cat": 1}, "cat " * 20, ["x" * 10_001], None):
            refused = client.post("/api/prompts", json={"model": "clip", "prompts": prompts})
            assert refused.status_code == 400, prompts
            assert refused.json()["error"].endswith((".", "?"))
        assert client.get("/api/about").json()["models"][0]["labels"] == ["red circle", "cat"]
        for other in ("colours", "nobody"):
            refused = client.post("/api/prompts", json={"model": other, "prompts": ["cat"]})
            assert refused.status_code == 404
