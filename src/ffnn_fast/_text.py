"""Text for figures, terminals and messages."""

from __future__ import annotations

import reprlib
from typing import Any

MOST = 300  # characters of a value in a message


def shortened(name: str, most: int) -> str:
    """`name` with at most `most` characters; its end is kept, since names often differ there."""
    tail = most // 3
    return name if len(name) <= most else f"{name[: most - tail - 1]}…{name[-tail:]}"


def quoted(value: Any) -> str:
    """The repr of a value, shortened; neither time nor memory grow with the value."""
    return shortened(_ABBREVIATED.repr(value), MOST)


class _Abbreviated(reprlib.Repr):
    """A repr with few entries of long sequences and few characters of long texts."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = 20
        self.maxstring = self.maxlong = self.maxother = MOST

    def repr_int(self, x: int, level: int) -> str:
        """The digits, or the number of bits of an integer with more digits than Python prints."""
        if x.bit_length() > 10 * MOST:
            return f"<an integer of {x.bit_length()} bits>"
        return super().repr_int(x, level)


_ABBREVIATED = _Abbreviated()
