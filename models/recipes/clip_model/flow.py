"""Dense optical flow that exports to ONNX: Lucas and Kanade's least squares over a pyramid, and the
camera's own motion in it.

Everything is written for N x 1 x H x W luma in [0, 1]; flows are N x 2 x H x W in pixels, across
and down.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

__all__ = ["camera_motion", "flow_between"]

LEVELS = 4
"""The number of levels of the pyramid; each has half the side of the one before."""
WINDOW = 1.5
"""The standard deviation, in pixels, of the window in which motion is assumed constant."""
SMOOTH = 1.0
"""The standard deviation, in pixels, of the blur between two steps."""
STEP = 2.0
"""The most pixels that one level may add; coarser levels find larger motion."""
LEAST_GRADIENT = 3e-4
"""The squared gradient, in luma per pixel, below which a window is not trusted."""
NOISE_GAIN = 4.0
"""The multiple of the noise's squared gradient from which a window is trusted, so that noise does
not count as motion."""
ROBUST_STEPS = 3
"""Steps of reweighted least squares for the camera's motion."""
LEAST_MISFIT = 0.25
"""The squared residual, in pixels, below which a place moves with the camera."""


def flow_between(before: Tensor, after: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Return the flow from one frame to the next, and the trust in it (N x 1 x H x W, from 0 to 1).

    Args:
        noise: N, the standard deviation of the noise in luma.
    """
    earlier, afters = _pyramid(before), _pyramid(after)
    flow = torch.cat([earlier[-1], earlier[-1]], dim=1) * 0.0
    for level in range(LEVELS - 1, -1, -1):
        if level < LEVELS - 1:
            flow = 2 * functional.interpolate(
                flow, scale_factor=2.0, mode="bilinear", align_corners=False
            )
        doubt = (LEAST_GRADIENT + NOISE_GAIN * noise.square() / 4.0**level).view(-1, 1, 1, 1)
        step, trust = _refine(earlier[level], warp(afters[level], flow), doubt)
        flow = blur(flow + step, SMOOTH)
    return flow, trust


def _pyramid(luma: Tensor) -> list[Tensor]:
    levels = [luma]
    for _ in range(LEVELS - 1):
        levels.append(functional.avg_pool2d(levels[-1], 2))
    return levels


def _refine(before: Tensor, after: Tensor, doubt: Tensor) -> tuple[Tensor, Tensor]:
    """Return the remaining flow, by least squares in a window around each pixel, and the trust in
    it."""
    (bx, by), (ax, ay) = _gradients(before), _gradients(after)
    gx, gy, change = (bx + ax) / 2, (by + ay) / 2, after - before
    products = torch.cat([gx * gx, gx * gy, gy * gy, gx * change, gy * change], dim=1)
    xx, xy, yy, xt, yt = blur(products, WINDOW).split(1, dim=1)
    trust = (xx + yy) / (xx + yy + 2 * doubt)
    xx, yy = xx + doubt, yy + doubt
    determinant = xx * yy - xy * xy
    step = torch.cat([xy * yt - yy * xt, xy * xt - xx * yt], dim=1) / determinant
    return step.clamp(-STEP, STEP), trust


def _gradients(luma: Tensor) -> tuple[Tensor, Tensor]:
    padded = functional.pad(luma, (1, 1, 1, 1), mode="replicate")
    return (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2, (
        padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    ) / 2


def warp(luma: Tensor, flow: Tensor) -> Tensor:
    """Sample ``luma`` at the positions that ``flow`` points to."""
    height, width = int(luma.shape[-2]), int(luma.shape[-1])
    x = (torch.arange(width, dtype=torch.float32) + flow[:, 0]) * (2 / (width - 1)) - 1
    y = (torch.arange(height, dtype=torch.float32).view(-1, 1) + flow[:, 1]) * (
        2 / (height - 1)
    ) - 1
    return functional.grid_sample(
        luma,
        torch.stack([x, y], dim=-1),
        mode="bilinear",
        padding_mode="border",
        align_corners=True,
    )


def blur(values: Tensor, spread: float) -> Tensor:
    """Blur each channel with a Gaussian, repeating edges."""
    channels, weights = int(values.shape[1]), gaussian(spread)
    reach = len(weights) // 2
    across, down = (
        torch.from_numpy(np.tile(weights.reshape(shape), (channels, 1, 1, 1)))
        for shape in ((1, 1, 1, -1), (1, 1, -1, 1))
    )
    values = functional.conv2d(
        functional.pad(values, (reach, reach, 0, 0), mode="replicate"), across, groups=channels
    )
    return functional.conv2d(
        functional.pad(values, (0, 0, reach, reach), mode="replicate"), down, groups=channels
    )


def gaussian(spread: float) -> NDArray[np.float32]:
    """Return Gaussian weights that sum to 1, up to three standard deviations.

    >>> gaussian(0.1).tolist()
    [1.0]
    """
    reach = int(3 * spread + 0.5)
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * spread * spread))
    return (weights / weights.sum()).astype(np.float32)


def camera_motion(flow: Tensor, trust: Tensor) -> Tensor:
    """Return the camera's motion: the affine flow of most places, by reweighted least squares, in
    the shape of ``flow``."""
    height, width = int(flow.shape[-2]), int(flow.shape[-1])
    places = _places(height, width)
    moved, believed = flow.flatten(2), trust.flatten(2)
    weight, fitted = believed, moved * 0.0
    for _ in range(ROBUST_STEPS):
        fitted = _affine(places, moved, weight, believed.sum(dim=2, keepdim=True))
        misfit = (moved - fitted).square().sum(dim=1, keepdim=True)
        typical = (misfit * believed).sum(dim=2, keepdim=True) / (
            believed.sum(dim=2, keepdim=True) + 1e-3
        )
        weight = believed / (1 + misfit / (LEAST_MISFIT * (1 + typical))).square()
    return fitted.reshape(-1, 2, height, width)


def _places(height: int, width: int) -> Tensor:
    """Return 1, x and y of each pixel, from -1 to 1: 1 x 3 x pixels."""
    x = torch.linspace(-1, 1, width).expand(height, width)
    y = torch.linspace(-1, 1, height).view(-1, 1).expand(height, width)
    return torch.stack([torch.ones(height, width), x, y]).reshape(1, 3, -1)


def _affine(places: Tensor, moved: Tensor, weight: Tensor, total: Tensor) -> Tensor:
    """Fit an affine flow by weighted least squares, regularised towards no motion."""
    weighted = places * weight
    lean = torch.diag(torch.tensor([0.01, 1.0, 1.0])) * (1e-3 * total + 1e-3)
    normal, sides = weighted @ places.transpose(1, 2) + lean, weighted @ moved.transpose(1, 2)
    return (inverse(normal) @ sides).transpose(1, 2) @ places


def inverse(symmetric: Tensor) -> Tensor:
    """Invert symmetric 3 x 3 matrices by cofactors, because ONNX has no operator for it."""
    (a, b, c), (_, d, e), (_, _, f) = (row.unbind(dim=1) for row in symmetric.unbind(dim=1))
    cofactors: Sequence[Tensor] = (
        d * f - e * e,
        c * e - b * f,
        b * e - c * d,
        a * f - c * c,
        b * c - a * e,
        a * d - b * b,
    )
    determinant = a * cofactors[0] + b * cofactors[1] + c * cofactors[2]
    order = (0, 1, 2, 1, 3, 4, 2, 4, 5)
    return (
        torch.stack([cofactors[index] for index in order], dim=1) / determinant.unsqueeze(1)
    ).reshape(-1, 3, 3)
