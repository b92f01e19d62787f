"""MobileNetV2 with folded batch norms, and the heads on top of it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from .corpus import LABELS, MEDIA

__all__ = [
    "HIDDEN_LABELS",
    "HIDDEN_UNITS",
    "HINTS",
    "INPUTS",
    "SPLIT",
    "TUNED",
    "WIDTH",
    "ActivationNetwork",
    "FeatureNetwork",
    "FrameModel",
    "HeadInputs",
    "Heads",
    "embed",
    "load_blocks",
    "load_classifier",
    "make_blocks",
    "normalise",
    "texture_of",
]

WIDTH = 1280
"""The size of an embedding."""
SPLIT = 14
"""The first block above the activations whose texture the heads use."""
TUNED = 16
"""The first block that is tuned with the heads; those below keep the published weights."""
HINTS = {
    "gun": (414, 764, 765),
    "smoke": (472, 821, 975, 981),
    "screen": (665, 782, 783, 852, 917, 918, 919, 922, 923),
}
"""Telling classes of the ImageNet classifier, as indices of its 1001 outputs (0 is the background):
assault rifle, revolver, rifle | cannon, steam locomotive, geyser, volcano | monitor, scoreboard,
screen, television, web site, comic book, crossword, book jacket, menu."""
ASKS = {
    "fight": (),
    "gun": ("gun",),
    "fire": ("smoke",),
    "smoke": ("smoke",),
    "medium": tuple(HINTS),
}
"""The hints that each head may use; unrelated ones would only fit accidents of the footage."""
HIDDEN_LABELS = ("gun", "fire")
"""The labels whose heads have a hidden layer."""
HIDDEN_UNITS = 32
CLUE_LIMIT = 8.0
"""The largest input of a hidden layer, so that a picture unlike all others moves it no further."""
TEXTURED = frozenset({"gun", "fire", "smoke", "medium"})
"""The heads that also use texture."""
HINT_GAIN = 30.0
"""The gain of a hint, which reduces its ridge penalty relative to the embedding's."""
HINT_DAMPING = 0.1
"""The factor of hints in the inputs of hidden layers, which have no ridge penalty to outweigh."""
LEAST_SPREAD = 1e-3
"""Added to standard deviations, so that nearly constant values are not amplified."""
TEXTURE = 3 * 96
"""The number of texture statistics before block ``SPLIT``."""
INPUTS = WIDTH + len(HINTS) + TEXTURE
"""The number of inputs of the heads."""
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""(expansion, channels, blocks, stride of the first) of each stage, as published."""


class Conv(nn.Module):
    """A convolution with bias; stride 2 pads right and bottom only (TensorFlow's SAME)."""

    def __init__(
        self,
        channels: int,
        out: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        active: bool = True,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            channels, out, kernel, stride, 0 if stride == 2 else kernel // 2, groups=groups
        )
        self.stride, self.active = stride, active

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W float32 in and out."""
        x = self.conv(functional.pad(x, (0, 1, 0, 1)) if self.stride == 2 else x)
        return functional.hardtanh(x, 0.0, 6.0) if self.active else x


class Block(nn.Module):
    """An inverted residual block: expand, filter by channel, project, add to the input if shapes
    allow."""

    def __init__(self, channels: int, out: int, *, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels * expansion
        expand = [Conv(channels, wide)] if expansion > 1 else []
        self.body = nn.Sequential(
            *expand,
            Conv(wide, wide, kernel=3, stride=stride, groups=wide),
            Conv(wide, out, active=False),
        )
        self.adds = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W float32 in and out."""
        return x + self.body(x) if self.adds else self.body(x)


def make_blocks() -> nn.Sequential:
    """Build the 19 blocks, ``features.0`` to ``features.18``, with random weights."""
    blocks: list[nn.Module] = [Conv(3, 32, kernel=3, stride=2)]
    channels = 32
    for expansion, out, repeats, stride in STAGES:
        for index in range(repeats):
            blocks.append(
                Block(channels, out, stride=stride if index == 0 else 1, expansion=expansion)
            )
            channels = out
    return nn.Sequential(*blocks, Conv(channels, WIDTH))


def load_blocks(weights: Path) -> nn.Sequential:
    """Load the blocks with the ImageNet weights of ``weights`` (a state dict of plain tensors)."""
    state = torch.load(weights, weights_only=True)
    blocks = make_blocks()
    prefix = "features."
    blocks.load_state_dict(
        {
            name.removeprefix(prefix): value
            for name, value in state.items()
            if name.startswith(prefix)
        }
    )
    return blocks.to(memory_format=torch.channels_last).eval()


def load_classifier(weights: Path) -> nn.Linear:
    """Load the ImageNet classifier of the blocks: ``WIDTH`` -> 1001 logits."""
    state = torch.load(weights, weights_only=True)
    classifier = nn.Linear(WIDTH, len(state["fc.bias"]))
    classifier.load_state_dict({"weight": state["fc.weight"], "bias": state["fc.bias"]})
    return classifier.requires_grad_(False)


class Standardize(nn.Module):
    """Standardises values by their mean and standard deviation in training."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    def learn(self, values: Tensor) -> None:
        """Compute centre and scale of these values, N x width."""
        self.centre = values.mean(dim=0)
        self.scale = 1 / (values.std(dim=0) + LEAST_SPREAD)

    def forward(self, values: Tensor) -> Tensor:
        """N x width in and out."""
        return (values - self.centre) * self.scale


class HeadInputs(nn.Module):
    """The inputs of the heads: the embedding; hints, which are log-probabilities of a few relevant
    classes by the ImageNet classifier, which was trained on a million ordinary pictures that this
    footage lacks; and texture in the middle of the network, because games differ from cameras, and
    flames from lamps and skies, in how surfaces look. ``allowed`` tells which head uses what."""

    def __init__(self, classifier: nn.Linear) -> None:
        super().__init__()
        self.classifier = classifier
        self.embedding, self.hints, self.texture = (
            Standardize(WIDTH),
            Standardize(len(HINTS)),
            Standardize(TEXTURE),
        )
        damping = torch.ones(INPUTS)
        damping[WIDTH : WIDTH + len(HINTS)] = HINT_DAMPING
        self.register_buffer("damping", damping)

    def forward(self, embedding: Tensor, texture: Tensor) -> Tensor:
        """N x ``WIDTH``, N x ``TEXTURE`` -> N x all inputs of the heads."""
        hints = self.hints(self.ask(embedding)) * HINT_GAIN
        return torch.cat([self.embedding(embedding), hints, self.texture(texture)], dim=1)

    def ask(self, embedding: Tensor) -> Tensor:
        """Return the log-probability of each group of ``HINTS``: N x hints."""
        classes = functional.log_softmax(self.classifier(embedding), dim=1)
        return torch.cat(
            [
                torch.logsumexp(classes[:, list(group)], dim=1, keepdim=True)
                for group in HINTS.values()
            ],
            dim=1,
        )

    def bounded(self, clues: Tensor) -> Tensor:
        """Return the inputs of hidden layers: hints of a usual size, and no extreme value."""
        return (clues * self.damping).clamp(-CLUE_LIMIT, CLUE_LIMIT)

    def usable_inputs(self, task: str) -> Tensor:
        """Return 1 for each input that a head may use, 0 for those that it may not."""
        hints = torch.tensor([float(name in ASKS[task]) for name in HINTS])
        texture = torch.full((TEXTURE,), float(task in TEXTURED))
        return torch.cat([torch.ones(WIDTH), hints, texture])

    def learn(self, embedding: Tensor, texture: Tensor) -> None:
        """Compute the standardisation of all inputs."""
        self.embedding.learn(embedding)
        self.hints.learn(self.ask(embedding))
        self.texture.learn(texture)


class Heads(nn.Module):
    """The heads of the labels and of the medium: linear, and for ``HIDDEN_LABELS`` the sum of a
    linear head and one with a hidden layer."""

    def __init__(self, clues: HeadInputs) -> None:
        super().__init__()
        self.clues = clues
        width = len(HIDDEN_LABELS) * HIDDEN_UNITS
        self.labels = nn.Linear(INPUTS, len(LABELS))
        self.hidden, self.above = nn.Linear(INPUTS, width), nn.Linear(width, len(LABELS))
        self.medium = nn.Linear(INPUTS, len(MEDIA))
        for layer in (self.labels, self.hidden, self.above, self.medium):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, embedding: Tensor, texture: Tensor) -> tuple[Tensor, Tensor]:
        """N x ``WIDTH``, N x ``TEXTURE`` -> N x labels, N x media."""
        clues = self.clues(embedding, texture)
        hidden = functional.relu(self.hidden(self.clues.bounded(clues)))
        return self.labels(clues) + self.above(hidden), self.medium(clues)


class FeatureNetwork(nn.Module):
    """The frozen network up to the heads' inputs: pixels in, embedding and texture out."""

    def __init__(self, blocks: nn.Sequential) -> None:
        super().__init__()
        self.lower, self.upper = blocks[:SPLIT], blocks[SPLIT:]

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """N x 224 x 224 x 3 uint8 RGB -> N x ``WIDTH``, N x ``TEXTURE``."""
        middle = self.lower(normalise(image))
        return embed(self.upper, middle), texture_of(middle)


class ActivationNetwork(nn.Module):
    """The published network: pixels in; activations below block ``TUNED``, embedding and texture
    out."""

    def __init__(self, blocks: nn.Sequential) -> None:
        super().__init__()
        self.lower, self.middle = blocks[:SPLIT], blocks[SPLIT:TUNED]
        self.upper = blocks[TUNED:]

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """N x 224 x 224 x 3 uint8 RGB -> N x 160 x 7 x 7, N x ``WIDTH``, N x ``TEXTURE``."""
        middle = self.lower(normalise(image))
        activations = self.middle(middle)
        return activations, embed(self.upper, activations), texture_of(middle)


class FrameModel(nn.Module):
    """The exported network: pixels in, logits and embedding out."""

    def __init__(self, blocks: nn.Sequential, heads: Heads) -> None:
        super().__init__()
        self.lower, self.upper, self.heads = blocks[:SPLIT], blocks[SPLIT:], heads

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """N x 224 x 224 x 3 uint8 RGB -> label logits, medium logits, embedding."""
        middle = self.lower(normalise(image))
        embedding = embed(self.upper, middle)
        return (*self.heads(embedding, texture_of(middle)), embedding)


def texture_of(middle: Tensor) -> Tensor:
    """Return mean, deviation and peak of each channel: N x 96 x 14 x 14 -> N x ``TEXTURE``."""
    mean = middle.mean(dim=(2, 3))
    spread = ((middle * middle).mean(dim=(2, 3)) - mean * mean).clamp(min=0).sqrt()
    return torch.cat([mean, spread, middle.amax(dim=(2, 3))], dim=1)


def normalise(image: Tensor) -> Tensor:
    """N x H x W x 3 uint8 -> N x 3 x H x W float32 in [-1, 1]."""
    return image.permute(0, 3, 1, 2).float() * (1 / 127.5) - 1.0


def embed(blocks: nn.Sequential, x: Tensor) -> Tensor:
    """Return the blocks' output, averaged over the picture: N x ``WIDTH``."""
    return blocks(x).mean(dim=(2, 3))
