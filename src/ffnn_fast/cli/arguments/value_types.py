"""Types of options: how a value is read from text, and checked wherever it comes from."""

from __future__ import annotations

import abc
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from ffnn_fast._names import synonym
from ffnn_fast._scalars import as_bool, as_choice, as_float, as_int
from ffnn_fast.cli.arguments.name_lists import split_names


class ValueType(abc.ABC):
    """The type of an option's value.

    `from_text` turns text of the command line into the plain value that a TOML or JSON file would
    hold, and `check` turns a plain value into the option's; both ways end in the same check. They
    raise TypeError or ValueError in a sentence that calls the option `name`.
    """

    takes_value = True  # False: the option has no value on the command line
    many_words = False  # True: the option takes several words on the command line

    @property
    def metavar(self) -> str | None:
        """The placeholder of the value in the help, unless the option has its own."""
        return None

    def from_text(self, text: str, name: str) -> Any:
        """The plain value of a text."""
        return text

    def from_texts(self, texts: Sequence[str], name: str) -> Any:
        """The plain value of an option that was given len(texts) times: here once."""
        if len(texts) > 1:
            raise ValueError(f"{name} takes one value, got {len(texts)}: {', '.join(texts)}")
        return self.from_text(texts[0], name)

    @abc.abstractmethod
    def check(self, value: Any, name: str) -> Any:
        """The option's value from a plain one."""


class Text(ValueType):
    """A string, such as the name of a file."""

    def check(self, value: Any, name: str) -> str:
        """Any string."""
        if not isinstance(value, str):
            raise TypeError(f"{name} must be a string, got {value!r}")
        return value


class ColumnName(ValueType):
    """The name of a column, or its number: 1 is the first, -1 the last."""

    def check(self, value: Any, name: str) -> str:
        """A string, or an integer as text."""
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise TypeError(f"{name} must be the name or the number of a column, got {value!r}")
        return str(value)


class Switch(ValueType):
    """True where the option is given, or a file holds true."""

    takes_value = False

    def from_text(self, text: str, name: str) -> bool:
        """True: the option was given."""
        return True

    def from_texts(self, texts: Sequence[str], name: str) -> bool:
        """True, however often it was given."""
        return True

    def check(self, value: Any, name: str) -> bool:
        """True or false."""
        return as_bool(value, name)


@dataclass(frozen=True)
class OneOf(ValueType):
    """One of some names; in another spelling, or by the name that another library has for it, too.

    Parameters
    ----------
    choices : iterable of str
    aliases : mapping of str to str, optional
        Further names → the choice that each means.
    """

    choices: tuple[str, ...]
    aliases: Mapping[str, str]

    def __init__(self, choices: Iterable[str], aliases: Mapping[str, str] | None = None) -> None:
        object.__setattr__(self, "choices", tuple(choices))
        object.__setattr__(self, "aliases", dict(aliases or {}))

    @property
    def metavar(self) -> str:
        """All choices."""
        return f"{{{','.join(self.choices)}}}"

    def check(self, value: Any, name: str) -> str:
        """One of the choices."""
        if isinstance(value, str) and value not in self.choices:
            meant = synonym(value, [*self.choices, *self.aliases])
            value = value if meant is None else self.aliases.get(meant, meant)
        return as_choice(value, name, self.choices)


@dataclass(frozen=True)
class Integer(ValueType):
    """A whole number of at least `low`."""

    low: int

    def from_text(self, text: str, name: str) -> Any:
        """An int, or the text itself where it is none: `check` refuses it."""
        try:
            return int(text)
        except ValueError:
            return text

    def check(self, value: Any, name: str) -> int:
        """An integer of at least `low`."""
        return as_int(value, name, self.low)


@dataclass(frozen=True)
class Number(ValueType):
    """A finite number in [low, high), or in (low, high) where `above`."""

    low: float
    high: float = math.inf
    above: bool = False

    def from_text(self, text: str, name: str) -> Any:
        """A float, or the text itself where it is none: `check` refuses it."""
        try:
            return float(text)
        except ValueError:
            return text

    def check(self, value: Any, name: str) -> float:
        """A number in the interval."""
        return as_float(value, name, self.low, self.high, "neither" if self.above else "left")


class Duration(ValueType):
    """Seconds: a number > 0, or a text with a unit, as ``90s``, ``5m`` or ``2h``."""

    units: ClassVar[dict[str, float]] = {"s": 1.0, "m": 60.0, "h": 3600.0}

    def from_text(self, text: str, name: str) -> Any:
        """A float, or the text itself."""
        return Number(0, above=True).from_text(text, name)

    def check(self, value: Any, name: str) -> float:
        """A number of seconds."""
        number, unit = Number(0, above=True), 1.0
        if isinstance(value, str):
            text = value.strip().lower()
            unit = self.units.get(text[-1:], 1.0)
            value = number.from_text(text[:-1] if text[-1:] in self.units else text, name)
            if isinstance(value, str):
                raise ValueError(
                    f"{name} must be a number of seconds, or as 90s, 5m or 2h; got {text!r}"
                )
        return unit * number.check(value, name)


@dataclass(frozen=True)
class WordOr(ValueType):
    """A word that means `meaning` (default: the word itself), or else a value of type `other`."""

    word: str
    other: ValueType
    meaning: Any = None

    def from_text(self, text: str, name: str) -> Any:
        """The word, or the other type's plain value."""
        return self.word if self._is_word(text) else self.other.from_text(text, name)

    def check(self, value: Any, name: str) -> Any:
        """What the word means, or a value of the other type."""
        if self._is_word(value):
            return self.word if self.meaning is None else self.meaning
        try:
            return self.other.check(value, name)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{error} (or the word {self.word})") from error

    def _is_word(self, value: Any) -> bool:
        return isinstance(value, str) and value.strip().lower() == self.word


@dataclass(frozen=True)
class ListOf(ValueType):
    """Values of one type: ``64,32``, or a list in a file."""

    item: ValueType

    def from_text(self, text: str, name: str) -> Any:
        """A list, from values between commas."""
        return [self.item.from_text(part.strip(), name) for part in text.split(",")]

    def check(self, value: Any, name: str) -> tuple[Any, ...]:
        """A tuple, from a list or the text of one."""
        if isinstance(value, str):
            value = self.from_text(value, name)
        if not isinstance(value, (list, tuple)):
            raise TypeError(f"{name} must be a list, got {value!r}")
        return tuple(self.item.check(one, f"each value of {name}") for one in value)


@dataclass(frozen=True)
class Names(ListOf):
    """Names: ``a,"b,c"`` as in CSV, the option given several times, or a list in a file."""

    item: ValueType = field(default_factory=Text)

    def from_text(self, text: str, name: str) -> Any:
        """A list, from names between commas, quoted where they hold one."""
        try:
            return split_names(text)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error

    def from_texts(self, texts: Sequence[str], name: str) -> Any:
        """One list of all texts' names."""
        return [one for text in texts for one in self.from_text(text, name)]


@dataclass(frozen=True)
class EachTime(ListOf):
    """A value each time the option is given; one value, or a list, in a file."""

    def from_texts(self, texts: Sequence[str], name: str) -> Any:
        """A list with an element for each time."""
        return [self.item.from_text(text, name) for text in texts]

    def check(self, value: Any, name: str) -> tuple[Any, ...]:
        """A tuple, from one value or a list."""
        if isinstance(value, (list, tuple)):
            return super().check(value, name)
        return (self.item.check(value, name),)


@dataclass(frozen=True)
class Words(ListOf):
    """Values that are separate words on the command line: ``--threads 1 2``."""

    many_words = True

    def from_texts(self, texts: Sequence[str], name: str) -> Any:
        """A list with an element for each text."""
        return [self.item.from_text(text, name) for text in texts]


@dataclass(frozen=True)
class OneOrEach(ValueType):
    """One value for all layers, or one for each: ``0.1,0.2``, or a list in a file."""

    item: ValueType

    def from_text(self, text: str, name: str) -> Any:
        """A list, from values between commas."""
        return [self.item.from_text(part.strip(), name) for part in text.split(",")]

    def check(self, value: Any, name: str) -> Any:
        """One value, or a tuple of several."""
        if isinstance(value, str):
            value = self.from_text(value, name)
        if not isinstance(value, (list, tuple)):
            return self.item.check(value, name)
        if len(value) == 1:
            return self.item.check(value[0], name)
        if not value:
            raise ValueError(f"{name} must be one value, or one for each layer, got none")
        return tuple(self.item.check(one, f"each value of {name}") for one in value)


class CheckpointInterval(NamedTuple):
    """From one checkpoint to the next: epochs or seconds; the other is None."""

    epochs: int | None
    seconds: float | None


class EpochsOrSeconds(ValueType):
    """Epochs, or seconds: ``5`` or ``60s``."""

    def from_text(self, text: str, name: str) -> Any:
        """An int, or the text of seconds."""
        return text if text.strip().endswith("s") else Integer(1).from_text(text, name)

    def check(self, value: Any, name: str) -> CheckpointInterval:
        """An integer of at least 1, or a text such as 60s."""
        if isinstance(value, str) and value.strip().endswith("s"):
            seconds = Number(0, above=True)
            plain = seconds.from_text(value.strip()[:-1], name)
            return CheckpointInterval(None, seconds.check(plain, f"the seconds of {name}"))
        return CheckpointInterval(as_int(value, name), None)


class ClassWeights(ValueType):
    """The word balanced, or a weight >= 0 for each class: ``yes=2,no=1``, or a table in a file."""

    def from_text(self, text: str, name: str) -> Any:
        """The word, or a dict of weights by class."""
        if text.strip() == "balanced":
            return "balanced"
        weights = {}
        for part in Names().from_text(text, name):
            label, equals, weight = part.rpartition("=")
            if not equals:
                raise ValueError(
                    f"{name} must be balanced, or weights of classes such as yes=2,no=1; "
                    f"got {text!r}"
                )
            weights[label.strip()] = Number(0).from_text(weight, name)
        return weights

    def from_texts(self, texts: Sequence[str], name: str) -> Any:
        """The word, or one dict of all texts' weights."""
        found = [self.from_text(text, name) for text in texts]
        if len(found) == 1:
            return found[0]
        if "balanced" in found:
            raise ValueError(f"{name} is balanced, or the weights of classes; got both")
        return {label: weight for one in found for label, weight in one.items()}

    def check(self, value: Any, name: str) -> str | dict[str, float]:
        """The word, or a table of weights >= 0 by class."""
        if isinstance(value, str):
            value = self.from_text(value, name)
        if value == "balanced":
            return "balanced"
        if not isinstance(value, Mapping):
            raise TypeError(
                f"{name} must be 'balanced' or a table of weights by class, got {value!r}"
            )
        return {
            str(label): Number(0).check(weight, f"the weight of class {label!r} in {name}")
            for label, weight in value.items()
        }
