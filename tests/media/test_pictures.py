"""Stills and animations have the right orientation, shape and colour."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image, ImageOps

from scanner.errors import DamagedError
from scanner.media.samples import Rgb
from scanner.media.sampling import Sampling
from scanner.media.scale import fit_size
from scanner.types import Fit, FrameSpec
from tests.media.build import encode
from tests.media.decoding import decode_all

SQUARE = FrameSpec(width=64, height=64)
LETTERBOX = FrameSpec(width=64, height=64, fit=Fit.LETTERBOX)
CROP = FrameSpec(width=64, height=64, fit=Fit.CROP)
ALL = (SQUARE, LETTERBOX, CROP)
CORNERS = [(8, 8), (8, 56), (56, 8), (56, 56)]


def quarters(width: int = 160, height: int = 96) -> Image.Image:
    """Draw red and blue above green and white."""
    picture = Image.new("RGB", (width, height))
    for at, colour in {
        (0, 0): (240, 20, 20),
        (1, 0): (20, 20, 240),
        (0, 1): (20, 240, 20),
        (1, 1): (240, 240, 240),
    }.items():
        picture.paste(
            colour,
            (
                at[0] * width // 2,
                at[1] * height // 2,
                (at[0] + 1) * width // 2,
                (at[1] + 1) * height // 2,
            ),
        )
    return picture


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    sink = io.BytesIO()
    picture.save(sink, kind, **options)
    return sink.getvalue()


def corners(image: Rgb) -> list[list[int]]:
    return [image[at].tolist() for at in CORNERS]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_shown_as_its_exif_says(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(quarters(), kind, exif=exif, quality=95)
    upright = (
        ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        .convert("RGB")
        .resize((64, 64), Image.Resampling.BOX)
    )

    (window,) = decode_all(data, specs=(SQUARE,))

    assert np.allclose(
        corners(window.samples[0].images[SQUARE]), corners(np.asarray(upright)), atol=12
    )
    assert (window.info.width, window.info.height) == ((160, 96) if orientation < 5 else (96, 160))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_a_still_has_no_duration(kind: str) -> None:
    (window,) = decode_all(saved(quarters(), kind))

    assert window.info.still
    assert window.times.duration == 0
    assert [(s.at, s.keyframe) for s in window.samples] == [(0, True)]
    assert window.last


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "I;16", "LA", "CMYK"])
def test_every_kind_of_pixel_is_shown(mode: str) -> None:
    picture = (
        Image.new("I;16", (40, 40), 52428)
        if mode == "I;16"
        else Image.new("RGB", (40, 40), (204, 204, 204)).convert(mode)
    )

    (window,) = decode_all(saved(picture, "JPEG" if mode == "CMYK" else "PNG"), specs=(SQUARE,))

    assert np.allclose(window.samples[0].images[SQUARE], 204, atol=3)


def test_transparent_pixels_are_blended_with_black() -> None:
    data = saved(Image.new("RGBA", (40, 40), (255, 255, 255, 128)), "PNG")

    (window,) = decode_all(data, specs=(SQUARE,))

    assert np.allclose(window.samples[0].images[SQUARE], 128, atol=2)


def test_a_truncated_picture_is_refused() -> None:
    with pytest.raises(DamagedError, match="clip: "):
        decode_all(saved(quarters(), "PNG")[:40])


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_an_animation_is_a_video(kind: str) -> None:
    greys = (20, 120, 220, 70)
    first, *rest = [Image.new("RGB", (48, 32), (grey,) * 3) for grey in greys]
    data = saved(
        first,
        kind,
        save_all=True,
        append_images=rest,
        duration=1000,
        **({"lossless": True} if kind == "WEBP" else {}),
    )

    (window,) = decode_all(data, specs=(SQUARE,), sampling=Sampling(max_gap=Fraction(1, 2)))

    assert not window.info.still
    assert [s.at for s in window.samples] == [0, 1, 2, 3]
    assert window.times.duration == 4
    assert [int(s.images[SQUARE][30, 30, 0]) for s in window.samples] == pytest.approx(greys, abs=3)


def test_frames_of_an_animation_are_drawn_over_each_other() -> None:
    base = Image.new("RGBA", (64, 64), (200, 0, 0, 255))
    spot = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    spot.paste((0, 200, 0, 255), (32, 32, 64, 64))
    data = saved(
        base,
        "WEBP",
        save_all=True,
        append_images=[spot],
        duration=1000,
        lossless=True,
        minimize_size=True,
    )
    expected = Image.open(io.BytesIO(data))
    expected.seek(1)

    (window,) = decode_all(data, specs=(SQUARE,), sampling=Sampling(max_gap=Fraction(1, 2)))

    black = Image.new("RGBA", (64, 64), (0, 0, 0, 255))
    black.alpha_composite(expected.convert("RGBA"))
    assert np.allclose(
        corners(window.samples[1].images[SQUARE]), corners(np.asarray(black.convert("RGB"))), atol=3
    )


@pytest.mark.parametrize("junk", [b"", b"HTTP/1.1 200 OK\r\n\r\n" * 20], ids=["", "junk"])
@pytest.mark.parametrize(
    "segment",
    [b"", b"\xff\xee\0\0Adobe", b"\xff\xee\0\3Adobe\0d", b"\xff\xee\0\x08Adobe\0"],
    ids=["none", "without_length", "too_short", "short"],
)
def test_a_jpeg_with_junk_or_a_broken_segment_is_read(junk: bytes, segment: bytes) -> None:
    plain = saved(quarters(), "JPEG")

    (window,) = decode_all(junk + plain[:2] + segment + plain[2:], specs=(SQUARE,))

    (expected,) = decode_all(plain, specs=(SQUARE,))
    assert window.info == expected.info
    assert np.array_equal(window.samples[0].images[SQUARE], expected.samples[0].images[SQUARE])


def test_an_animation_is_cut_into_windows() -> None:
    first, *rest = [Image.new("RGB", (48, 32), (grey,) * 3) for grey in range(10, 250, 10)]
    data = saved(first, "WEBP", save_all=True, append_images=rest, duration=1000, lossless=True)

    windows = decode_all(data, specs=(SQUARE,))

    assert [w.times.duration for w in windows] == [10, 10, 4]
    assert [w.last for w in windows] == [False, False, True]
    again = decode_all(data, specs=(SQUARE,), first_window=2)
    assert [s.images[SQUARE][0, 0, 0] for s in again[0].samples] == [
        s.images[SQUARE][0, 0, 0] for s in windows[2].samples
    ]


@pytest.mark.parametrize(
    ("rotation", "bright"), [(0, "right"), (90, "top"), (180, "left"), (270, "bottom")]
)
def test_a_rotated_video_is_shown_upright(rotation: int, bright: str) -> None:
    data = encode(container="mp4", rotation=rotation, frames=3, size=(160, 96), values=[200] * 3)

    (window,) = decode_all(data, specs=ALL)

    image = window.samples[0].images[SQUARE].mean(axis=2)
    sides = {
        "left": image[32, 2],
        "right": image[32, 61],
        "top": image[2, 32],
        "bottom": image[61, 32],
    }
    dark = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}[bright]
    assert min(sides, key=lambda side: sides[side]) == dark
    assert (window.info.width, window.info.height) == (
        (160, 96) if rotation % 180 == 0 else (96, 160)
    )


def test_pixels_that_are_not_square_count_in_the_shape() -> None:
    data = encode(container="mp4", frames=2, size=(96, 96), values=[200] * 2, aspect=Fraction(2))

    (window,) = decode_all(data, specs=ALL)

    images = window.samples[0].images
    assert (window.info.width, window.info.height) == (192, 96)
    assert images[LETTERBOX][:, 32].any(axis=1).sum() == pytest.approx(32, abs=2)
    assert images[SQUARE][:, 32].any(axis=1).sum() == 64


@pytest.mark.parametrize("size", [(4000, 2), (2, 4000), (4001, 16), (1, 1)])
def test_a_picture_of_any_shape_fills_its_array(size: tuple[int, int]) -> None:
    (window,) = decode_all(saved(Image.new("RGB", size, (9, 200, 30)), "PNG"), specs=ALL)

    images = window.samples[0].images
    assert all(
        image.shape == spec.shape and image.flags.c_contiguous for spec, image in images.items()
    )
    assert np.allclose(images[SQUARE], (9, 200, 30), atol=2)
    assert np.allclose(images[CROP], (9, 200, 30), atol=2)
    assert np.allclose(images[LETTERBOX].max(axis=(0, 1)), (9, 200, 30), atol=2)


@pytest.mark.parametrize(
    ("spec", "size"), [(SQUARE, (64, 64)), (LETTERBOX, (64, 36)), (CROP, (114, 64))]
)
def test_a_picture_is_fitted_as_its_spec_says(spec: FrameSpec, size: tuple[int, int]) -> None:
    assert fit_size((1920, 1080), spec) == size


BT601, BT709, BT2020, LIMITED, FULL = 5, 1, 9, 1, 2


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize(
    ("matrix", "spread"), [(BT601, LIMITED), (BT709, LIMITED), (BT709, FULL), (BT2020, LIMITED)]
)
def test_colours_are_what_the_tags_say(matrix: int, spread: int, pix_fmt: str) -> None:
    (window,) = decode_all(
        coloured((200, 40, 90), (320, 240), pix_fmt, matrix, spread, tagged=True), specs=(SQUARE,)
    )

    assert np.allclose(window.samples[0].images[SQUARE][30, 30], (200, 40, 90), atol=4)


@pytest.mark.parametrize(("size", "matrix"), [((320, 240), BT601), ((1280, 720), BT709)])
def test_untagged_colours_are_read_as_players_read_them(size: tuple[int, int], matrix: int) -> None:
    (window,) = decode_all(
        coloured((200, 40, 90), size, "yuv420p", matrix, LIMITED, tagged=False), specs=(SQUARE,)
    )

    assert np.allclose(window.samples[0].images[SQUARE][30, 30], (200, 40, 90), atol=4)


def coloured(
    rgb: tuple[int, int, int],
    size: tuple[int, int],
    pix_fmt: str,
    matrix: int,
    spread: int,
    *,
    tagged: bool,
) -> bytes:
    plain = av.VideoFrame.from_ndarray(
        np.full((size[1], size[0], 3), rgb, np.uint8), format="rgb24"
    )
    frame = plain.reformat(format=pix_fmt, dst_colorspace=matrix, dst_color_range=spread)
    sink = io.BytesIO()
    with av.open(sink, "w", format="mp4") as out:
        stream = out.add_stream("libx264", rate=30, options={"qp": "4"})
        stream.width, stream.height, stream.pix_fmt = size[0], size[1], pix_fmt
        if tagged:
            stream.codec_context.colorspace, stream.codec_context.color_range = matrix, spread
        frame.pts = 0
        out.mux([*stream.encode(frame), *stream.encode(None)])
    return sink.getvalue()


def test_a_resolution_that_changes_midway_changes_nothing() -> None:
    data = encode(frames=30, size=(128, 96), values=[200] * 30) + encode(
        at=range(30, 60), size=(320, 180), values=[100] * 30
    )

    windows = decode_all(data, specs=(SQUARE,))

    assert [int(s.images[SQUARE][32, 50, 0]) for w in windows for s in w.samples] == pytest.approx(
        [200, 100], abs=3
    )
