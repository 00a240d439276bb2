"""Seven things other than a class, explained: each on a network small enough to know the answer.

    python examples/targets_pytorch.py

The scene has a red square on the left, a green one on the right, and another red one below. Every
network first sees colours (a 1×1 convolution with set weights, at 1/4 of the size), and each then
answers another kind of question about them.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

import seewhy
from seewhy import targets

RED, GREEN, BLUE = range(3)
COLOURS = ("red", "green", "blue")
LEFT, RIGHT, BELOW = (4, 8), (40, 12), (24, 44)  # x, y of each square's corner
SQUARE = 12
SIZE = (64, 64)


def scene(**squares: int) -> np.ndarray:
    """Return a black photo with squares: scene(left=RED, right=GREEN)."""
    places = {"left": LEFT, "right": RIGHT, "below": BELOW}
    pixels = np.zeros((*SIZE, 3), np.uint8)
    for name, colour in squares.items():
        x, y = places[name]
        pixels[y : y + SQUARE, x : x + SQUARE, colour] = 255
    return pixels


SCENE = scene(left=RED, right=GREEN, below=RED)


def square_at(explanation: seewhy.Explanation) -> str:
    """Name the square that the heatmap peaks in."""
    x, y = explanation.peak_at()
    for name, (left, top) in {"left": LEFT, "right": RIGHT, "below": BELOW}.items():
        if left <= x < left + SQUARE and top <= y < top + SQUARE:
            return name
    return f"none: ({x}, {y})"


def colour_map(weights: object, bias: object = 0.0) -> nn.Conv2d:
    """Return a 1×1 convolution with these weights."""
    rows = torch.tensor(weights, dtype=torch.float32)
    layer = nn.Conv2d(rows.shape[1], rows.shape[0], 1)
    with torch.no_grad():
        layer.weight.copy_(rows[:, :, None, None])
        layer.bias.copy_(torch.tensor(bias).expand(len(rows)))
    return layer


def sees_colours() -> nn.Sequential:
    """Return a layer whose channel k is the k-th colour without the others."""
    detect = colour_map([[1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    return nn.Sequential(detect, nn.ReLU(), nn.AvgPool2d(4))


def classifier(model: nn.Module, **settings: object) -> seewhy.Classifier:
    return seewhy.Classifier(
        model.eval(), size=SIZE, preprocess="unit", layer="see", name="example", **settings
    )


class Segmenter(nn.Module):
    """Answers like torchvision's: {"out": (n, class, h, w)}; the class 0 is the background."""

    def __init__(self) -> None:
        super().__init__()
        self.see = sees_colours()
        self.say = colour_map([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
        with torch.no_grad():
            self.say.bias[0] = 0.5

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"out": self.say(self.see(images))}


def segmentation() -> seewhy.Explanation:
    """Why are these pixels red? Only the square below was asked about."""
    mask = np.zeros((16, 16), bool)
    mask[11:14, 6:9] = True
    return seewhy.explain(
        classifier(Segmenter()),
        SCENE,
        method="hires-cam",
        target=targets.part("out", targets.region(1 + RED, mask)),
    )


class Captioner(nn.Module):
    """A CNN and an LSTM that says two words: the colours on the left and on the right."""

    def __init__(self) -> None:
        super().__init__()
        self.see = sees_colours()
        self.words = nn.Embedding(4, 4)  # the fourth starts the sentence
        self.memory = nn.LSTM(6 + 4, 16, batch_first=True)
        self.say = nn.Linear(16, 3)

    def forward(self, images: torch.Tensor, said: torch.Tensor) -> torch.Tensor:
        """Return the scores (n, step, word) of what comes after the words said (n, step)."""
        maps = self.see(images)[:, :, 1:6]
        seen = 16 * torch.stack([maps[..., :8].mean((2, 3)), maps[..., 8:].mean((2, 3))], 1)
        steps = seen.flatten(1)[:, None].expand(-1, said.shape[1], -1)
        answers, _ = self.memory(torch.cat([steps, self.words(said)], 2))
        return self.say(answers)


def trained_captioner() -> Captioner:
    """Return the captioner, after a second of training on scenes of two squares."""
    torch.manual_seed(0)
    model = Captioner()
    pairs = [(left, right) for left in range(3) for right in range(3)]
    photos = np.stack([scene(left=left, right=right) for left, right in pairs])
    images = torch.from_numpy(photos / np.float32(255)).permute(0, 3, 1, 2)
    words = torch.tensor(pairs)
    said = torch.cat([torch.full((9, 1), 3), words[:, :1]], 1)
    learned = [*model.words.parameters(), *model.memory.parameters(), *model.say.parameters()]
    steps = torch.optim.Adam(learned, lr=0.03)
    for _ in range(120):
        steps.zero_grad()
        loss = nn.functional.cross_entropy(model(images, said).flatten(0, 1), words.flatten())
        loss.backward()
        steps.step()
    return model


def caption(step: int) -> seewhy.Explanation:
    """Why is this the first word, or the second, of 'red green'?"""
    words = (RED, GREEN)

    def call(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
        said = torch.tensor([[3, words[0]]], device=images.device).expand(len(images), -1)
        return model(images, said)

    return seewhy.explain(
        classifier(trained_captioner(), call=call),
        scene(left=RED, right=GREEN),
        method="grad-cam",
        target=targets.word(words[step], step=step),
    )


class Answerer(nn.Module):
    """Answers the question 0, 'which colour is on the left?', and 1, 'on the right?'."""

    def __init__(self) -> None:
        super().__init__()
        self.see = sees_colours()
        self.attend = nn.Embedding(2, 16)
        with torch.no_grad():
            sides = torch.arange(16) < 8
            self.attend.weight.copy_(torch.stack([sides, ~sides]).float())

    def forward(self, images: torch.Tensor, question: torch.Tensor) -> torch.Tensor:
        attended = self.see(images)[:, :, :8] * self.attend(question)[:, None, None]
        return attended.mean((2, 3))


def answer(question: int, colour: int) -> seewhy.Explanation:
    """Why does it answer this colour to this question?"""

    def call(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
        asked = torch.full((len(images),), question, device=images.device)
        return model(images, asked)

    return seewhy.explain(
        classifier(Answerer(), call=call, labels=COLOURS),
        scene(left=RED, right=RED),
        method="hires-cam",
        target=targets.score(colour),
    )


class Embedder(nn.Module):
    """Returns an embedding of three numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.see = sees_colours()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.see(images).mean((2, 3))


def similarity() -> seewhy.Explanation:
    """What makes the scene like a photo of something green?"""
    embedder = classifier(Embedder())
    other = targets.embedding(embedder, scene(below=GREEN))
    return seewhy.explain(embedder, SCENE, method="grad-cam", target=targets.similarity(other))


class Detector(nn.Module):
    """One candidate per 4×4 pixels, with a box of 12×12 around it: boxes and scores."""

    def __init__(self) -> None:
        super().__init__()
        self.see = sees_colours()

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        seen = self.see(images)
        scores = nn.functional.avg_pool2d(seen, 3, 1, 1).flatten(2).transpose(1, 2)
        middles = [torch.arange(n) * 4.0 + 2 for n in seen.shape[2:]]
        rows, columns = torch.meshgrid(*middles, indexing="ij")
        centres = torch.stack([columns, rows], -1).flatten(0, 1)
        boxes = torch.cat([centres - 6, centres + 6], 1).expand(len(images), -1, -1)
        return {"boxes": boxes, "scores": scores}


def detection() -> seewhy.Explanation:
    """Why is there something red in this box, below?"""
    x, y = BELOW
    box = (x, y, x + SQUARE, y + SQUARE)
    return seewhy.explain(
        classifier(Detector()), SCENE, method="hires-cam", target=targets.detection(RED, box)
    )


class Counter(nn.Module):
    """A regression: how many green pixels there are."""

    def __init__(self) -> None:
        super().__init__()
        self.see = sees_colours()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return 16 * self.see(images)[:, GREEN].sum((1, 2))


def regression() -> seewhy.Explanation:
    """What is counted?"""
    return seewhy.explain(classifier(Counter()), SCENE, method="grad-cam", target=targets.value())


class Rivals(nn.Module):
    """Two classes, each of which speaks against the other."""

    def __init__(self) -> None:
        super().__init__()
        self.see = sees_colours()
        self.say = nn.Linear(3, 2, bias=False)
        with torch.no_grad():
            self.say.weight.copy_(torch.tensor([[1.0, -0.5, 0.0], [0.8, 1.0, 0.0]]))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.say(self.see(images).mean((2, 3)))


def counterfactual() -> seewhy.Explanation:
    """What stands against the class 0?"""
    return seewhy.explain(
        classifier(Rivals()),
        scene(left=RED, right=GREEN),
        method="grad-cam",
        target=targets.counterfactual(0),
    )


def contrast() -> seewhy.Explanation:
    """Red speaks for both classes: what speaks for 1 rather than 0?"""
    return seewhy.explain(
        classifier(Rivals()),
        scene(left=RED, right=GREEN),
        method="grad-cam",
        target=targets.contrast(1, 0),
    )


def main() -> None:
    for name, explanation in {
        "segmentation, the red region below": segmentation(),
        "caption, the first word": caption(0),
        "caption, the second word": caption(1),
        "question 'what is on the left?'": answer(0, RED),
        "question 'what is on the right?'": answer(1, RED),
        "similarity to something green": similarity(),
        "detection, the box below": detection(),
        "regression, green pixels": regression(),
        "counterfactual": counterfactual(),
        "contrast": contrast(),
    }.items():
        print(f"{name:36} the heatmap peaks in the square: {square_at(explanation)}")


if __name__ == "__main__":
    main()
