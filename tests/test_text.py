"""Texts in messages: shortened, and built without the whole value."""

import tracemalloc

import numpy as np
import pytest

from ffnn_fast._text import MOST, quoted, shortened


@pytest.mark.parametrize(
    "value", [1, -2.5, None, "a'b", [1, "x", (2.0,)], {"a": [1]}, np.float32(0.5), b"x", 2**70]
)
def test_a_short_value_is_its_repr(value):
    assert quoted(value) == repr(value)


@pytest.mark.parametrize(
    "value",
    [
        "x" * 10**6, ["x" * 1000] * 1000, [[[["x" * 300] * 30] * 30] * 30] * 30, 10**4000, 10**9000,
        {str(k): "y" * 1000 for k in range(1000)}, tuple(range(10**5)), "😀" * 10**5, {1, "a"},
    ],
    ids=range(9),
)  # fmt: skip
def test_a_long_value_is_cut(value):
    tracemalloc.start()
    text = quoted(value)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(text) <= MOST
    assert peak < 1_000_000


def test_a_value_without_a_repr_is_named():
    class Bad:
        def __repr__(self):
            raise RuntimeError

    assert "Bad" in quoted(Bad())


def test_both_ends_of_a_text_are_kept():
    assert shortened("abcdefghij", 10) == "abcdefghij"
    assert shortened("abcdefghijk", 7) == "abcd…jk"
