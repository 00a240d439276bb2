"""Odd links to the page: what it reads from one is a question that the server understands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from numpy.random import Generator

from seewhy.serving.questions import PageQuestion
from tests.colour_network import colour_classifier
from tests.fuzz.mutations import damaged, word
from tests.fuzz.rule import CASES, SECONDS, violations
from tests.serving.conftest import running

WHOLE = {
    "photo": "abc", "name": "cat.png", "model": "colours", "mode": "look", "method": "smooth-grad",
    "options": '{"samples": 3, "noise": 0.1}', "layer": "cells", "class": "1", "contrast": "0",
    "threshold": "0.5", "flags": "boxes", "heat": "turbo 0.9 fade", "signed": "coolwarm 1 full",
}  # fmt: skip
"""Every part of a link."""

READ = """async (text) => {
  const script = document.querySelector("script[type=module]").src;
  const { asHash, fromHash } = await import(new URL("link.js", script).href);
  const { question } = await import(new URL("state.js", script).href);
  const start = performance.now();
  const view = fromHash(text);
  return { view, question: JSON.stringify(question()), again: asHash(),
           seconds: (performance.now() - start) / 1000 };
}"""


def link(generator: Generator) -> str:
    """Return a link with some odd parts, or a damaged one."""
    parts: dict[str, str] = dict(WHOLE)
    for name in parts:
        chance = generator.random()
        if chance < 0.2:
            parts[name] = word(generator).encode("utf-8", "replace").decode()
        elif chance < 0.3:
            content = parts[name].encode()
            parts[name] = damaged(content, [content], generator).decode("utf-8", "replace")
    if generator.random() < 0.2:
        value: Any = [word(generator), 1, None, {}, [], 10**30][int(generator.integers(6))]
        name = ["samples", "noise", "seed", "__proto__", "constructor"][int(generator.integers(5))]
        parts["options"] = json.dumps({name: value})
    text = "#" + urlencode(parts)
    if generator.random() < 0.2:
        content = text.encode()
        text = damaged(content, [content], generator).decode("utf-8", "replace")
    return text


def test_any_link_is_a_question_or_none(tmp_path: Path, browser: Any) -> None:
    classifier = colour_classifier()
    done = 0
    with running({"colours": classifier}) as server:
        page = browser.new_page()
        page.goto(server.address)
        page.wait_for_selector("html[data-ready]", timeout=60_000)

        def case(generator: Generator) -> None:
            nonlocal done
            read = page.evaluate(READ, link(generator))
            assert read["seconds"] < SECONDS
            assert len(read["again"]) < 10_000
            body = json.loads(read["question"]) | {"photo": "x"}
            asked = PageQuestion.of(json.dumps(body).encode())
            compile(asked.request.as_python("built-in", {}, "cat.png"), "copied", "exec")
            asked.request.settle(classifier)
            done += read["view"] is not None

        wrong = violations(case, CASES // 10, tmp_path)
        page.close()
    assert not wrong
    assert done > CASES // 50
