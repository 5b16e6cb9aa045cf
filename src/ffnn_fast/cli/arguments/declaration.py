"""Options declared as fields of frozen dataclasses: a class for each command, or group of options.

A field is all there is to an option. The command line, its help, TOML and JSON files follow from
it::

    threads: int | None = option(Integer(1), "number of threads (default: all)", metavar="N")

The name of the field is the key in a file and, with dashes, the option on the command line.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any, TypeVar

from ffnn_fast.cli.arguments.value_types import ValueType

Options = TypeVar("Options")
OPTION, GROUP = "option", "group"  # keys of a field's metadata


@dataclass(frozen=True)
class Declaration:
    """One option or positional argument.

    Attributes
    ----------
    kind : ValueType
        How its value is read and checked.
    help : str
        What ``--help`` shows; ``{default}`` is replaced by the default.
    metavar : str or None
        The placeholder of the value in the help.
    flags : tuple of str
        The option as it is typed, if not by the name of the field.
    positional : bool
    """

    kind: ValueType
    help: str
    metavar: str | None = None
    flags: tuple[str, ...] = ()
    positional: bool = False


def option(
    kind: ValueType, shown: str = "", *, default: Any = None, metavar: str | None = None,
    flags: tuple[str, ...] = (),
) -> Any:  # fmt: skip
    """A field that holds an option; the help shows `shown`."""
    declared = Declaration(kind, shown, metavar, flags)
    return dataclasses.field(default=default, metadata={OPTION: declared})


def argument(
    kind: ValueType, shown: str, *, default: Any = MISSING, metavar: str | None = None
) -> Any:
    """A field that holds a positional argument, which must be given if it has no default."""
    declared = Declaration(kind, shown, metavar, positional=True)
    return dataclasses.field(default=default, metadata={OPTION: declared})


def group(kind: Callable[[], Options]) -> Options:
    """A field that holds a group of options, the dataclass `kind`."""
    made: Options = dataclasses.field(default_factory=kind, metadata={GROUP: kind})
    return made


def groups(options: Any) -> dict[str, Any]:
    """The groups of a class of options, by name."""
    return {
        field.name: field.metadata[GROUP] for field in fields(options) if GROUP in field.metadata
    }


def declarations(options: Any) -> Iterator[tuple[Field[Any], Declaration]]:
    """The options of a class that are in no group."""
    for field in fields(options):
        if OPTION in field.metadata:
            yield field, field.metadata[OPTION]


def all_declarations(options: Any) -> dict[str, Declaration]:
    """All options of a class by the name of their field, those of its groups included."""
    found = {field.name: declared for field, declared in declarations(options)}
    for kind in groups(options).values():
        found |= all_declarations(kind)
    return found


def build(options: Callable[..., Options], values: Mapping[str, Any]) -> Options:
    """An object of the class `options` from checked values by name, else the defaults."""
    given: dict[str, Any] = {
        field.name: values[field.name] for field, _ in declarations(options) if field.name in values
    }
    made = {name: build(kind, values) for name, kind in groups(options).items()}
    return options(**given, **made)


def values_of(options: Any) -> dict[str, Any]:
    """The values of all options of an object by name, those of its groups included."""
    found = {
        declared.name: getattr(options, declared.name) for declared, _ in declarations(options)
    }
    for name in groups(options):
        found |= values_of(getattr(options, name))
    return found


def flag(name: str) -> str:
    """An option as it is typed: ``--clip-norm`` for clip_norm."""
    return f"--{name.replace('_', '-')}"
