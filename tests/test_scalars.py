"""One place for scalar arguments: what is accepted, and a sentence for everything else."""

import math

import numpy as np
import pytest

from ffnn_fast._scalars import as_bool, as_choice, as_float, as_generator, as_int

NO_NUMBER = [None, "1", b"1", True, np.True_, 1j, [1], np.array([1]), object()]


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3), np.array(3)])
def test_integers_become_int(value):
    assert as_int(value, "n") == 3
    assert type(as_int(value, "n")) is int


@pytest.mark.parametrize("value", [*NO_NUMBER, 1.0, np.float32(1)])
def test_what_is_no_integer_is_refused(value):
    with pytest.raises(TypeError, match=r"^n must be an integer, got "):
        as_int(value, "n")


@pytest.mark.parametrize(
    ("value", "low", "high", "message"),
    [
        (0, 1, None, "n must be at least 1, got 0"),
        (-5, 0, 9, r"n must be in \[0, 9\], got -5"),
        (10, 0, 9, r"n must be in \[0, 9\], got 10"),
        (2**63, 1, None, r"n must be at most 2\*\*63 - 1, got 9223372036854775808"),
        (10, None, 9, r"n must be in \(-inf, 9\], got 10"),
    ],
)
def test_integers_outside_are_refused(value, low, high, message):
    with pytest.raises(ValueError, match=message):
        as_int(value, "n", low, high)


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), np.float64(0.5), np.array(0.5)])
def test_numbers_become_float(value):
    assert as_float(value, "x") == 0.5
    assert type(as_float(value, "x")) is float
    assert type(as_float(np.int64(2), "x")) is float


@pytest.mark.parametrize("value", NO_NUMBER)
def test_what_is_no_number_is_refused(value):
    with pytest.raises(TypeError, match=r"^x must be a number, got "):
        as_float(value, "x")


@pytest.mark.parametrize("closed", ["neither", "left", "right", "both"])
def test_the_ends_of_an_interval(closed):
    for end, included in ((0.0, closed in ("left", "both")), (1.0, closed in ("right", "both"))):
        if included:
            assert as_float(end, "x", 0, 1, closed) == end
        else:
            with pytest.raises(ValueError, match=r"x must be in [\[(]0, 1[\])], got"):
                as_float(end, "x", 0, 1, closed)
    for outside in (-0.1, 1.1, math.nan, math.inf, -math.inf):
        with pytest.raises(ValueError, match="x must be in"):
            as_float(outside, "x", 0, 1, closed)


@pytest.mark.parametrize("value", [0, -1, math.inf, math.nan])
def test_by_default_a_number_is_positive_and_finite(value):
    with pytest.raises(ValueError, match="x must be a finite number > 0, got"):
        as_float(value, "x")


def test_infinity_is_allowed_where_the_interval_holds_it():
    assert as_float(math.inf, "x", closed="right") == math.inf
    with pytest.raises(ValueError, match=r"x must be in \(0, inf\], got 0"):
        as_float(0, "x", closed="right")


def test_bools_and_choices():
    assert as_bool(np.True_, "b") is True
    with pytest.raises(TypeError, match="b must be True or False, got 1"):
        as_bool(1, "b")
    assert as_choice("up", "d", ("up", "down")) == "up"
    with pytest.raises(ValueError, match="d must be one of up, down; got 'left'"):
        as_choice("left", "d", ("up", "down"))
    with pytest.raises(TypeError, match="d must be one of up, down; got 3"):
        as_choice(3, "d", ("up", "down"))


def test_numbers_beyond_every_float_are_refused():
    for number in (10**400, -(10**400)):
        with pytest.raises(ValueError, match="x must be a finite number > 0, got"):
            as_float(number, "x")
    assert as_float(np.longdouble(0.5), "x") == 0.5


def test_generators_and_seeds():
    rng = np.random.default_rng(3)
    assert as_generator(rng, "rng") is rng
    for seed in (3, np.int64(3), np.array(3)):
        assert as_generator(seed, "rng").random() == np.random.default_rng(3).random()
    assert as_generator(None, "rng").random() != as_generator(None, "rng").random()
    for bad, error in (("x", TypeError), (1.5, TypeError), (True, TypeError), (-1, ValueError)):
        with pytest.raises(error, match=r"rng must be None, an integer >= 0 or a .*Generator, got"):
            as_generator(bad, "rng")
