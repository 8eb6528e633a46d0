"""Pictures from files: PNG, JPEG, BMP, PPM and WebP, whose size is known before anything is unpacked.

What decodes is Pillow; it is given one file's bytes and the formats that it may try.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

from ancile.core.errors import AncileError
from ancile.core.extras import needs
from ancile.core.text import plain
from ancile.numeric import NDArray, np

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("PNG", "JPEG", "BMP", "PPM", "WEBP")
# Of one picture: the largest cameras have 100 million pixels; beyond, a small file fills the memory
PIXELS = 1 << 27
TOO_LARGE = "a picture is too large to unpack"
HEADS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"P5", b"P6", b"RIFF")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".webp")


class Head(NamedTuple):
    """What a file says of its picture before it is unpacked."""

    format: str
    width: int
    height: int
    channels: int


def is_picture(head: bytes) -> bool:
    """Whether a file that begins so may be a picture."""
    return head.startswith(HEADS)


def picture_head(data: bytes) -> Head:
    """Size and kind of a picture; AncileError where it is none, or so large that it must be a bomb."""
    image = _opened(data)
    channels = 1 if image.mode in ("1", "L", "I", "F", "I;16", "LA") else 3
    head = Head(image.format or "", image.width, image.height, channels)
    if head.width * head.height > PIXELS:
        raise _too_large(f"{len(data)} bytes say they hold {head.width} x {head.height} pixels")
    return head


def pixels_of(data: bytes, *, size: tuple[int, int], channels: int) -> NDArray[np.uint8]:
    """The picture as (height, width, channels), scaled where it has another size.

    size  (width, height)
    AncileError where it cannot be unpacked.
    """
    picture_head(data)
    image_module = needs("PIL.Image", "images")
    with picture_errors():
        image = _opened(data)
        if image.mode.startswith("I") or image.mode == "F":  # 16 bits and more to 8
            deep = np.asarray(image, dtype=np.float64)
            span = max(float(deep.max(initial=0)), 255.0)
            image = image_module.fromarray((deep * (255 / span)).clip(0, 255).astype(np.uint8))
        image = image.convert("L" if channels == 1 else "RGB")
        if image.size != size:
            image = image.resize(
                size, image_module.Resampling.BILINEAR
            )  # which takes a mean where it shrinks
        found: NDArray[np.uint8] = np.asarray(image, dtype=np.uint8).reshape(size[1], size[0], channels)
    return found


def png_of(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG of (height, width, channels) or (height, width)."""
    image_module = needs("PIL.Image", "images")
    flat = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    target = BytesIO()
    image_module.fromarray(np.ascontiguousarray(flat)).save(target, "PNG", optimize=True)
    return target.getvalue()


def _opened(data: bytes) -> Image.Image:
    image_module = needs("PIL.Image", "images")
    with picture_errors():
        found: Image.Image = image_module.open(BytesIO(data), formats=FORMATS)
    return found


@contextmanager
def picture_errors() -> Iterator[None]:
    """Whatever Pillow raises or warns of over hostile bytes, as one error."""
    image_module = needs("PIL.Image", "images")
    unidentified = needs("PIL", "images").UnidentifiedImageError
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it warns of is looked at by ourselves
            yield
    except AncileError:
        raise
    except image_module.DecompressionBombError as reason:
        raise _too_large(str(reason)) from reason
    except unidentified as reason:  # whose words hold an address in memory
        raise AncileError(
            "a picture cannot be read",
            value="none that begins as PNG, JPEG, BMP, PPM or WebP does",
            remedy="leave the file out, or take it from its source once more",
        ) from reason
    except Exception as reason:  # its decoders raise whatever their own code runs into
        raise AncileError(
            "a picture cannot be read",
            value=plain(str(reason) or type(reason).__name__, 120),
            remedy="leave the file out, or take it from its source once more",
        ) from reason


def _too_large(said: str) -> AncileError:
    return AncileError(
        TOO_LARGE,
        value=plain(said, 120),
        remedy=f"at most {PIXELS} pixels are unpacked: leave it out, or scale it down",
    )
