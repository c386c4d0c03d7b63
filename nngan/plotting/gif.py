"""An animation that is written frame by frame, so that one frame is in memory at a time.

Pillow writes each frame as a file of its own. Its palette and its compressed pixels are then copied
behind those of the frames before it, as the GIF89a specification has them.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import IO, Any

LOOP = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"  # for ever
END = b"\x3b"


def write_gif(file: IO[bytes], size: tuple[int, int], frames: Iterable[tuple[Any, int]]) -> None:
    """Write an animation of Pillow's images, all of one size, each with its milliseconds."""
    file.write(b"GIF89a" + _pair(*size) + b"\x00\x00\x00" + LOOP)  # no palette for all frames
    for image, milliseconds in frames:
        delay = round(milliseconds / 10).to_bytes(2, "little")
        file.write(b"\x21\xf9\x04\x00" + delay + b"\x00\x00")
        descriptor, palette, pixels = _parts(image)
        file.write(descriptor + palette + pixels)
    file.write(END)


def _parts(image: Any) -> tuple[bytes, bytes, bytes]:
    """Return the descriptor of an image with a palette of its own, the palette, the pixels."""
    written = io.BytesIO()
    image.save(written, format="gif")
    content = written.getvalue()
    bits = content[10] & 0x07  # of the palette's size, in the header of the file
    at = 13 + 3 * 2 ** (bits + 1)
    palette = content[13:at]
    while content[at] == 0x21:  # an extension: a label, and blocks that begin with their length
        at += 2
        while content[at]:
            at += 1 + content[at]
        at += 1
    position_and_size = content[at : at + 9]
    interlaced = content[at + 9] & 0x40
    return position_and_size + bytes([0x80 | interlaced | bits]), palette, content[at + 10 : -1]


def _pair(width: int, height: int) -> bytes:
    return width.to_bytes(2, "little") + height.to_bytes(2, "little")
