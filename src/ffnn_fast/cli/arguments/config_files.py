"""Configuration files: the options of a command in TOML or JSON, by the names of their fields."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ffnn_fast._names import hint
from ffnn_fast.cli.arguments.declaration import all_declarations, groups
from ffnn_fast.cli.output import CommandError

RENAMED = {"model": "network"}  # groups that files of earlier versions may name otherwise


def read_config(path: str, options: type) -> dict[str, Any]:
    """The values that a file holds for the options of a class, checked, by name.

    The groups of the class may be tables of the file; a null is an option not given.

    Raises
    ------
    CommandError
        If the file is no TOML or JSON, or an option in it is unknown, given twice or bad.
    OSError
        If it cannot be read.
    """
    known, sections = all_declarations(options), groups(options)
    found: dict[str, Any] = {}
    for key, value in _entries(_read(path), sections):
        name = key.replace("-", "_")
        if name == "config":
            raise CommandError(f"{path}: a configuration file cannot name another one")
        if name not in known:
            similar = hint(name, [*known, *(sections if isinstance(value, dict) else ())])
            raise CommandError(f"{path}: unknown option {key!r}{similar}")
        if name in found:
            raise CommandError(f"{path}: {key} is given twice")
        if value is None:
            continue
        try:
            found[name] = known[name].kind.check(value, key)
        except (TypeError, ValueError) as error:
            raise CommandError(f"{path}: {error}") from error
    return found


def _entries(plain: dict[str, Any], sections: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in plain.items():
        if isinstance(value, dict) and (key in sections or RENAMED.get(key) in sections):
            yield from value.items()
        else:
            yield key, value


def _read(path: str) -> dict[str, Any]:
    raw, is_json = Path(path).read_bytes(), path.lower().endswith(".json")
    try:
        text = raw.decode("utf-8-sig")
        plain = json.loads(text) if is_json else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        named = path.lower().endswith(".toml")
        kind = "JSON" if is_json else "TOML" if named else "TOML, as JSON needs a name in .json"
        raise CommandError(f"{path} is no valid {kind}: {error}") from error
    if not isinstance(plain, dict):
        raise CommandError(f"{path} must hold an object of options, got {type(plain).__name__}")
    return plain
