"""The compiled reading of numbers in cells: the bits of `float`, within the text."""

import random
import re
from fractions import Fraction

import numpy as np
import pytest

from ffnn_fast.cli.table.cell_numbers import NUMBER, OTHER, PADDED, read_numbers

pytestmark = pytest.mark.engine
PLAIN = re.compile(r" *(-?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?) *")
WITH_COMMAS = re.compile(r" *(-?(\d+(,\d+)?|,\d+)([eE][-+]?\d+)?) *")
CELLS = [
    *("", " ", "-", ".", "-.", "e", "e5", "1e", "1e+", "1e-", "1e5e", "--1", "1-", "1..2", "1.2.3"),
    *("0", "-0", "-0.0", "00", "007", "-007.5", "0.5", ".5", "-.5", "5.", "-5.", ".e1", "1.e2"),
    *("1,", "1,5", ",5", "1,5e3", "1.5,5", "+1", "1_0", "0x1F", "inf", "nan", "NA", "1e400"),
    *("1e18446744073709551617", "1e22", "1e23"),
    *( "123456789012345", "999999999999999", "9007199254740991", "9007199254740992"),
    *("-9007199254740991", "9007199254740993", "0.1234567890123456789", "2.2250738585072011e-308"),
    *("1e-400", "5e-324", "2.5e-324", "1.00000000000000011102230246251565404e0"),
    *("0.000000000000001", "9" * 63, "0." + "1" * 62, "0." + "1" * 63, "0" * 64 + "1"),
    *(" 3", "3 ", " -3.5 ", "3 4", '"1.5"', '"1', '""', '" 2 "', '"1.5'),
    *("é", "1é", "18446744073709551617", "0.1e1", "1/2"),
]  # fmt: skip


def read(cells, mark="."):
    """The values and kinds of cells in a text."""
    parts = [cell.encode("utf-8") for cell in cells]
    data = np.frombuffer(b";".join(parts), np.uint8)
    size = np.array([len(part) for part in parts], np.int32)
    values, kinds = np.full(len(parts), 7.0), np.full(len(parts), 99, np.uint8)
    begin = np.cumsum(size + 1, dtype=np.int32) - size - 1
    read_numbers(data, begin, size, ord(mark), values, kinds)
    return values, kinds.tolist()


def expected(cell, mark):
    """The value and the kind of a cell by the rules of `read_numbers`."""
    if len(cell) > 1 and cell[0] == '"':
        cell = cell[1:-1]
    found = (PLAIN if mark == "." else WITH_COMMAS).fullmatch(cell)
    if not found or len(found[1]) > 64:
        return None, OTHER
    value = float(found[1].replace(",", "."))
    if not abs(value) < 2**53:
        return None, OTHER
    return value, PADDED if re.match("-?0[0-9]", found[1]) else NUMBER


def assert_read(cells, mark):
    values, kinds = read(cells, mark)
    for cell, value, kind in zip(cells, values, kinds, strict=True):
        wanted, its_kind = expected(cell, mark)
        assert kind == its_kind, cell
        assert wanted is None or value.tobytes() == np.float64(wanted).tobytes(), cell


@pytest.mark.parametrize("mark", [".", ","])
def test_cells(mark):
    assert_read(CELLS, mark)
    assert_read([cell.replace(".", ",") for cell in CELLS], mark)


@pytest.mark.parametrize("seed", range(5))
def test_random_numbers_have_the_bits_of_float(seed):
    rng = random.Random(seed)
    cells = []
    for _ in range(4000):
        digits = "".join(rng.choices("0123456789", k=rng.randint(1, 25)))
        place = rng.randint(0, len(digits))
        exponent = f"e{rng.randint(-330, 10)}" if rng.random() < 0.3 else ""
        point = "." if rng.random() < 0.8 else ""
        cells.append(rng.choice(["", "-"]) + digits[:place] + point + digits[place:] + exponent)
    cells += [repr(rng.gauss(0, 10.0 ** rng.randint(-20, 14))) for _ in range(4000)]
    assert_read(cells, ".")


@pytest.mark.parametrize("seed", range(3))
def test_numbers_near_ties(seed):
    """Halfway between two float64, and the numbers of 16 to 19 digits next to that."""
    rng = random.Random(seed)
    cells = []
    for _ in range(3000):
        power = rng.randint(1, 22)
        value = rng.uniform(1, 10) * 10.0 ** (rng.randint(15, 18) - power)
        halfway = (Fraction(value) + Fraction(np.nextafter(value, np.inf))) / 2
        whole = round(halfway * 10**power) + rng.randint(-2, 2)
        cells.append(f"-{whole}e-{power}")
        digits = str(whole).zfill(power + 1)
        cells.append(f"{digits[:-power]}.{digits[-power:]}")
    for shift in range(1, 12):  # ties exactly
        cells += [str((2**53 + 2 * k + 1) / 2**shift) for k in range(50)]
        cells += [
            f"{Fraction(2**53 + 2 * k + 1, 2**shift) * 10**shift}e-{shift}" for k in range(50)
        ]
    assert_read([cell for cell in cells if len(cell) <= 64], ".")


def test_random_bytes():
    rng = random.Random(0)
    cells = ["".join(rng.choices('0159.-eE ",+x', k=rng.randint(0, 9))) for _ in range(20_000)]
    for mark in ".,":
        assert_read(cells, mark)


def int32(*numbers):
    return np.array(numbers, np.int32)


DATA, TWO, ROOM = np.frombuffer(b"12345", np.uint8), int32(0, 2), np.zeros(2)
KINDS, LAST = np.zeros(2, np.uint8), 2**31 - 1
FAULTS = {
    "a cell beyond the end": (IndexError, (DATA, TWO, int32(2, 4), 46, ROOM, KINDS)),
    "a cell before the text": (IndexError, (DATA, int32(-1, 0), TWO, 46, ROOM, KINDS)),
    "a cell of negative size": (IndexError, (DATA, TWO, int32(1, -1), 46, ROOM, KINDS)),
    "a sum that overflows": (IndexError, (DATA, int32(0, LAST), TWO, 46, ROOM, KINDS)),
    "fewer sizes": (ValueError, (DATA, TWO, TWO[:1], 46, ROOM, KINDS)),
    "fewer cells": (ValueError, (DATA, TWO[:1], TWO, 46, ROOM, KINDS)),
    "int64": (ValueError, (DATA, TWO.astype(np.int64), TWO, 46, ROOM, KINDS)),
    "no room": (ValueError, (DATA, TWO, TWO, 46, ROOM[:1], KINDS)),
    "wide kinds": (ValueError, (DATA, TWO, TWO, 46, ROOM, np.zeros(2, int))),
    "steps": (ValueError, (DATA, np.zeros(4, np.int32)[::2], TWO, 46, ROOM, KINDS)),
    "read-only": (ValueError, (DATA, TWO, TWO, 46, np.frombuffer(bytes(16)), KINDS)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_arrays_are_checked(fault):
    error, arguments = FAULTS[fault]
    with pytest.raises(error):
        read_numbers(*arguments)
