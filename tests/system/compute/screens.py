"""Whether a page in a browser shows what is on a guest's screen."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Final

from msgspec import Struct

from cumulet.agents.compute.qemu import processes
from tests.browser.chromium import Page

_SCREEN: Final = "document.querySelector('#noVNC_container canvas')"
_PIXELS: Final = (
    f"(() => {{ const screen = {_SCREEN};"
    + """
    const pixels = screen.getContext('2d').getImageData(0, 0, screen.width, screen.height).data;
    let text = '';
    for (let at = 0; at < pixels.length; at += 4) text += String.fromCharCode(...pixels.subarray(at, at + 3));
    return [screen.width, screen.height, btoa(text)];
})()"""
)
_CONNECTED: Final = "document.documentElement.classList.contains('noVNC_connected')"
_STATUS: Final = "document.getElementById('noVNC_status')"
_BLINKING: Final = 300  # pixels of a text cursor, which one picture may have and the other not
_LETTERS: Final = 500  # pixels that a few words have at least


class Picture(Struct, frozen=True):
    """`pixels`: three bytes each, line by line from the top."""

    width: int
    height: int
    pixels: bytes


def seen(page: Page) -> Picture | None:
    """What noVNC has drawn; None while it is not connected."""
    if not page.value(_CONNECTED):
        return None
    found = page.value(_PIXELS)
    return Picture(int(found[0]), int(found[1]), base64.b64decode(found[2])) if found and found[0] else None


def focus(page: Page) -> None:
    """Have what is typed go to the guest."""
    page.value(f"{_SCREEN}.focus()")


def has_failed(page: Page) -> bool:
    """Whether noVNC tells that it could not connect, or has lost the connection."""
    return bool(page.value(f"{_STATUS}.classList.contains('noVNC_status_error')"))


def of_guest(directory: Path) -> Picture:
    """What QEMU says is on the screen: a portable pixmap without comments."""
    file = directory / "screen.ppm"
    with processes.questions(directory) as monitor:
        monitor.ask("screendump", filename=file.name)
    kind, size, most, pixels = file.read_bytes().split(b"\n", 3)
    file.unlink()
    assert (kind, most) == (b"P6", b"255")
    width, height = size.split()
    return Picture(int(width), int(height), pixels)


def shows(page: Page, directory: Path) -> bool:
    """Whether the page shows the guest's screen as it is now, and there is something on it."""
    drawn, real = seen(page), of_guest(directory)
    if drawn is None or (drawn.width, drawn.height) != (real.width, real.height):
        return False
    return differing(drawn.pixels, real.pixels) <= _BLINKING and lit(real.pixels) >= _LETTERS


def differing(one: bytes, other: bytes) -> int:
    """How many pixels are not the same in both."""
    return sum(one[at : at + 3] != other[at : at + 3] for at in range(0, len(one), 3))


def lit(pixels: bytes) -> int:
    """How many pixels are not black."""
    return sum(pixels[at : at + 3] != b"\0\0\0" for at in range(0, len(pixels), 3))
