"""Configuration files: the options of a command in TOML or JSON, under their own names."""

from __future__ import annotations

import argparse
import json
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ffnn_fast.cli.options import flag
from ffnn_fast.cli.output import CommandError

HEADS = ("name", "steps", "epochs")  # in a table that sets an option: what stands before the colon


def add_option(parser: argparse.ArgumentParser, sections: Sequence[str]) -> None:
    """Declare ``--config``; a file may group its options in tables of these names."""
    parser.set_defaults(sections=tuple(sections))
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="options from a TOML or JSON file, as epochs = 100; those given here come first",
    )


def merged(
    parser: argparse.ArgumentParser, argv: Sequence[str], args: argparse.Namespace
) -> argparse.Namespace:
    """What `argv` says, and else the configuration file that `args`, parsed from it, names.

    Raises
    ------
    CommandError
        If the file is no TOML or JSON, or an option in it is unknown or bad.
    OSError
        If it cannot be read.
    """
    at = argv.index(args.command) + 1
    given = list(_arguments(args.config, args.sections))
    try:
        parser.parse_args([args.command, *given])
    except CommandError as error:
        raise CommandError(f"{args.config}: {error}") from error
    return parser.parse_args([*argv[:at], *given, *argv[at:]])


def _arguments(path: str, sections: Sequence[str]) -> Iterator[str]:
    """The entries of a file as arguments: ``--key=value``, or ``--key`` for true."""
    for key, value in _entries(_read(path), sections):
        name = flag(key)
        if key == "config":
            raise CommandError(f"{path}: a file of options cannot name another one")
        if isinstance(value, bool):
            if value:
                yield name
        elif value is not None:
            yield f"{name}={_text(path, key, value)}"


def _entries(plain: dict[str, Any], sections: Sequence[str]) -> Iterator[tuple[str, Any]]:
    for key, value in plain.items():
        if isinstance(value, dict) and key in sections:
            yield from value.items()
        else:
            yield key, value


def _read(path: str) -> dict[str, Any]:
    raw = Path(path).read_bytes()
    try:
        text = raw.decode("utf-8-sig")
        plain = json.loads(text) if path.lower().endswith(".json") else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{path}: {error}") from error
    if not isinstance(plain, dict):
        raise CommandError(f"{path} must hold an object of options, got {type(plain).__name__}")
    return plain


def _text(path: str, key: str, value: Any) -> str:
    """An entry as it stands on the command line."""
    if isinstance(value, list):
        return ",".join(_word(path, key, one) for one in value)
    if not isinstance(value, dict):
        return _word(path, key, value)
    head = next((name for name in HEADS if name in value), None)
    rest = ",".join(
        f"{name}={'/'.join(_word(path, key, v) for v in one) if isinstance(one, list) else one}"
        for name, one in value.items()
        if name != head
    )
    return rest if head is None else f"{value[head]}:{rest}"


def _word(path: str, key: str, value: Any) -> str:
    if isinstance(value, (dict, list)) or value is None:
        raise CommandError(f"{path}: {key} must be a text, a number or a list, got {value!r}")
    return str(value).lower() if isinstance(value, bool) else str(value)
