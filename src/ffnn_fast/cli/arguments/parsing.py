"""From declared options to a parser of the command line, and from its texts to options."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass
from typing import Any, NoReturn

from ffnn_fast._names import hint
from ffnn_fast.cli.arguments.config_files import read_config
from ffnn_fast.cli.arguments.declaration import (
    Declaration,
    all_declarations,
    build,
    declarations,
    flag,
    groups,
)
from ffnn_fast.cli.output import CommandError


@dataclass(frozen=True)
class Command:
    """A command: its name, its options, the function that runs it, and its help.

    Attributes
    ----------
    name : str
    options : type
        A frozen dataclass, declared by `declaration.option`, `argument` and `group`.
    run : function
        Takes an object of that class; returns the exit code.
    description, epilog : str
        What ``--help`` shows before and after the options.
    takes_config : bool
        Whether ``--config`` reads options from a file.
    preformatted : bool
        Whether the description and epilog keep their lines.
    """

    name: str
    options: type
    run: Callable[[Any], int]
    description: str
    epilog: str | None = None
    takes_config: bool = False
    preformatted: bool = False


class Parser(argparse.ArgumentParser):
    """A parser whose errors are CommandErrors, and whose messages raise OSError if they cannot be
    written.
    """

    def error(self, message: str) -> NoReturn:
        """Raise CommandError."""
        raise CommandError(f"{message} (see {self.prog} --help)")

    def _print_message(self, message: str, file: Any = None) -> None:  # argparse drops OSErrors
        print(message, end="", file=file, flush=True)


def add_options(parser: Parser, command: Command) -> None:
    """Add the options and the help of a command; the parser finds lists of texts by name."""
    parser.description, parser.epilog = command.description, command.epilog
    if command.preformatted:
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
    for field, declared in declarations(command.options):
        _add(parser, field, declared)
    if command.takes_config:
        parser.add_argument(
            "--config",
            action="append",
            default=argparse.SUPPRESS,
            metavar="FILE",
            help="read options from a TOML or JSON file, for example epochs = 100; options on the "
            "command line override it",
        )
    for title, options in groups(command.options).items():
        section = parser.add_argument_group(title, getattr(options, "about", None))
        for field, declared in declarations(options):
            _add(section, field, declared)


def read_options(command: Command, given: Mapping[str, Any]) -> Any:
    """The options of a command from what its parser found, else from its file, else the defaults.

    Raises
    ------
    CommandError
        If a value is bad.
    OSError
        If the configuration file cannot be read.
    """
    files = given.get("config", [])
    if len(files) > 1:
        raise CommandError(f"--config takes one file, got {len(files)}: {', '.join(files)}")
    values = read_config(files[0], command.options) if files else {}
    for name, declared in all_declarations(command.options).items():
        if name in given:
            shown = name if declared.positional else _flags(name, declared)[-1]
            try:
                plain = declared.kind.from_texts(given[name], shown)
                values[name] = declared.kind.check(plain, shown)
            except (TypeError, ValueError) as error:
                raise CommandError(f"{error} (see ffnn-fast {command.name} --help)") from error
    return build(command.options, values)


def check_no_unknown(command: Command, unknown: Sequence[str]) -> None:
    """Raise CommandError if arguments were left over."""
    if unknown:
        known = all_declarations(command.options).items()
        flags = [one for name, declared in known for one in _flags(name, declared)]
        similar = hint(unknown[0].partition("=")[0], flags)
        raise CommandError(
            f"unrecognized arguments: {' '.join(unknown)}{similar} "
            f"(see ffnn-fast {command.name} --help)"
        )


def _flags(name: str, declared: Declaration) -> tuple[str, ...]:
    return () if declared.positional else declared.flags or (flag(name),)


def _add(
    parser: argparse.ArgumentParser | argparse._ArgumentGroup,
    field: Field[Any],
    declared: Declaration,
) -> None:
    kind = declared.kind
    settings: dict[str, Any] = {
        "help": declared.help.replace("{default}", str(field.default)) or None,
        "default": argparse.SUPPRESS,
        "action": "append",
    }
    if kind.takes_value:
        settings["metavar"] = declared.metavar or kind.metavar
    else:
        settings |= {"action": "append_const", "const": ""}
    if kind.many_words:
        settings |= {"action": "extend", "nargs": "+"}
    if declared.positional:
        settings["nargs"] = None if field.default is MISSING else "?"
        parser.add_argument(field.name, **settings)
    else:
        parser.add_argument(*_flags(field.name, declared), dest=field.name, **settings)
