"""The parser of the command line and the types of its options."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from ffnn_fast.cli.output import CommandError
from ffnn_fast.cli.table import FORMATS


class Parser(argparse.ArgumentParser):
    """A parser that fails in one line."""

    def error(self, message: str) -> NoReturn:
        """Raise CommandError."""
        raise CommandError(f"{message} (see {self.prog} --help)")


def whole(at_least: int) -> Callable[[str], int]:
    """The type of an integer option."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = at_least - 1
        if value < at_least:
            raise argparse.ArgumentTypeError(
                f"expected a whole number of at least {at_least}, got {text!r}"
            )
        return value

    return parse


def number(low: float, high: float = math.inf, *, above: bool = False) -> Callable[[str], float]:
    """The type of a float option in [low, high), or in (low, high) when `above`."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (low < value < high or (value == low and not above)):
            lower = f"above {low:g}" if above else f"of at least {low:g}"
            upper = f" and below {high:g}" if high < math.inf else ""
            raise argparse.ArgumentTypeError(f"expected a number {lower}{upper}, got {text!r}")
        return value

    return parse


def sizes(text: str) -> tuple[int, ...]:
    """The type of ``--hidden``: "64,32", or "none" for no hidden layer."""
    if text.strip().lower() == "none":
        return ()
    try:
        values = tuple(int(part) for part in text.split(","))
    except ValueError:
        values = (0,)
    if min(values) < 1:
        raise argparse.ArgumentTypeError(
            f"expected widths such as 64,32 (or none for no hidden layer), got {text!r}"
        )
    return values


def or_word(word: str, parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """The type of an option that takes a word, or else what `parse` takes."""

    def parsed(text: str) -> Any:
        try:
            return word if text.strip().lower() == word else parse(text)
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentTypeError(f"{error} (or say {word})") from error

    return parsed


def one_or_each(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """The type of an option that takes one value for all layers, or one for each: "0.1,0.2"."""

    def parsed(text: str) -> Any:
        values = tuple(parse(part.strip()) for part in text.split(","))
        return values[0] if len(values) == 1 else values

    return parsed


def one_of(known: Iterable[str]) -> Callable[[str], str]:
    """The type of a name."""

    def parse(text: str) -> str:
        if text not in known:
            raise argparse.ArgumentTypeError(f"expected one of {', '.join(known)}; got {text!r}")
        return text

    return parse


def epochs_or_seconds(text: str) -> tuple[int | None, float | None]:
    """The type of ``--checkpoint-every``: "5" epochs, or "60s"."""
    if text.strip().endswith("s"):
        return None, number(0, above=True)(text.strip()[:-1])
    return whole(1)(text), None


def class_weight(text: str) -> str | dict[str, float]:
    """The type of ``--class-weight``: "balanced", or "yes=2,no=1"."""
    if text.strip() == "balanced":
        return "balanced"
    found = {}
    for part in text.split(","):
        name, equals, value = part.rpartition("=")
        if not equals:
            raise argparse.ArgumentTypeError(
                f"expected balanced, or weights of classes such as yes=2,no=1; got {text!r}"
            )
        found[name.strip()] = number(0)(value)
    return found


def names(text: str) -> tuple[str, ...]:
    """The type of a list of names, separated by commas; an empty text is no name."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def flag(name: str) -> str:
    """An option as it is typed: ``--clip-norm`` for clip_norm."""
    return f"--{name.replace('_', '-')}"


def add_model_and_data(parser: argparse.ArgumentParser) -> None:
    """The arguments of a command that reads a table with a model."""
    parser.add_argument("model", help="model file that ffnn-fast train wrote")
    parser.add_argument("data", help=FORMATS)


def add_drop_missing_target(group: argparse._ArgumentGroup) -> None:
    """What to do with rows that have no target."""
    group.add_argument(
        "--drop-missing-target",
        action="store_true",
        help="leave out rows whose target is missing (default: refuse them)",
    )


def add_table_options(group: argparse._ArgumentGroup) -> None:
    """Options that say how a text file is to be read."""
    group.add_argument(
        "--header",
        choices=("auto", "yes", "no"),
        default="auto",
        help="whether the first line of a text names the columns (default: %(default)s)",
    )
    group.add_argument(
        "--delimiter",
        default="auto",
        metavar="CHARACTER",
        help="what separates the fields of a text: a character, or 'tab' (default: found out from "
        ", ; tab and |)",
    )
