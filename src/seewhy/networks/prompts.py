"""Prompts: the classes of a network that compares images with texts, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from seewhy.errors import OptionError
from seewhy.settings import split_names

PLACE = "{}"
"""Where a template has the prompt."""


class PromptKeywords(TypedDict, total=False):
    """The keywords that name the classes of a network that compares images with texts."""

    prompts: str | Sequence[str] | None
    template: str | Sequence[str] | None
    neutral: str | bool


NO_PROMPTS: Mapping[str, Any] = {"prompts": None, "template": None, "neutral": ""}
"""The defaults of `PromptKeywords`."""


@dataclass(frozen=True)
class Prompts:
    """The classes of a network that compares images with texts.

    Attributes:
        texts: one for each class.
        templates: sentences with a place for the prompt; the embeddings of several are averaged.
        neutral: the prompt whose score is taken off all others'; None: no prompt.
        tokenizer: of the network, where it is not beside it.
    """

    texts: tuple[str, ...]
    templates: tuple[str, ...] = (PLACE,)
    neutral: str | None = ""
    tokenizer: Any = None

    @classmethod
    def of(
        cls,
        prompts: Any,
        template: Any = None,
        neutral: Any = "",
        tokenizer: Any = None,
    ) -> Prompts | None:
        """Return prompts as users give them; None for None.

        Raises:
            OptionError: there are none, one is no text or is given twice, or a template has no
                place for them.
        """
        if prompts is None:
            if template is not None:
                raise OptionError(
                    "A template is the sentence around prompts, and there are none. Give them: "
                    "prompts=['cat', 'dog'], or --prompt cat --prompt dog."
                )
            return None
        texts, templates = _texts(prompts, "prompts"), _texts(template or PLACE, "template")
        twice = next((text for text in texts if texts.count(text) > 1), None)
        if twice is not None:
            raise OptionError(f"The prompt '{twice}' is given twice. Give each class once.")
        for sentence in templates:
            if PLACE not in sentence:
                raise OptionError(
                    f"The template '{sentence}' has no place for the prompt. Write {{}} there: "
                    "'a photo of a {}'."
                )
        if neutral in (False, "none", "false"):
            neutral = False
        elif not isinstance(neutral, str):
            raise OptionError(
                f"neutral={neutral!r} is no prompt. Give a text, or False to contrast nothing."
            )
        return cls(texts, templates, neutral if isinstance(neutral, str) else None, tokenizer)

    def sentences(self, text: str) -> list[str]:
        """Return a prompt in every template."""
        return [template.replace(PLACE, text).strip() for template in self.templates]

    def __str__(self) -> str:
        told = f"{len(self.texts)} prompts"
        if self.templates != (PLACE,):
            told += f" in {' and '.join(map(repr, self.templates))}"
        if self.neutral is None:
            return told
        against = f"'{self.neutral}'" if self.neutral else "an empty prompt"
        return f"{told}, each score less that of {against}, as unrelated prompts score alike too"


def _texts(given: Any, name: str) -> tuple[str, ...]:
    texts = tuple(split_names(given)) if isinstance(given, str) else given
    if isinstance(texts, list | tuple) and not texts:
        raise OptionError(f"There is no text in {name}. Name at least one: 'a cat'.")
    if not isinstance(texts, Sequence) or not all(isinstance(t, str) for t in texts):
        raise OptionError(
            f"{name}={given!r} are no texts. Give a list of words: {name}="
            + ("['a cat', 'a dog']." if name == "prompts" else "'a photo of a {}'.")
        )
    stripped = tuple(" ".join(text.split()) for text in texts)
    if not all(stripped):
        raise OptionError(
            f"One of the {name} is empty. Leave it out: the empty prompt is neutral=''."
        )
    return stripped
