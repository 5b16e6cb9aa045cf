"""Options with settings of their own: ``adam:beta_1=0.95,epsilon=1e-6``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any, NamedTuple


class Choice(NamedTuple):
    """What was chosen, and how it is set."""

    name: str
    settings: dict[str, Any]

    def __str__(self) -> str:
        given = ",".join(f"{key}={_text(value)}" for key, value in self.settings.items())
        return f"{self.name}:{given}" if given else self.name


def choice(known: Mapping[str, Iterable[str]]) -> Callable[[str], Choice]:
    """The type of an option that takes one of the names in `known`, each with its settings."""

    def parse(text: str) -> Choice:
        name, _, rest = text.partition(":")
        name = _identifier(name)
        if name not in known:
            raise argparse.ArgumentTypeError(
                f"expected one of {', '.join(known)}; got {text.partition(':')[0]!r}"
            )
        return Choice(name, _settings(rest, name, list(known[name])))

    return parse


def count(what: str, known: Iterable[str]) -> Callable[[str], tuple[int, dict[str, Any]]]:
    """The type of an option that takes a whole number of at least 1, with settings: ``10:a=b``."""

    def parse(text: str) -> tuple[int, dict[str, Any]]:
        number, _, rest = text.partition(":")
        if not number.strip().isdecimal() or int(number) < 1:
            raise argparse.ArgumentTypeError(f"expected a number of {what}, got {text!r}")
        return int(number), _settings(rest, "it", list(known))

    return parse


def settings_of(kind: Any, without: Iterable[str] = ()) -> dict[str, Any]:
    """The settings that a dataclass takes, with their defaults (None: it must be given)."""
    return {
        field.name: None if field.default is MISSING else field.default
        for field in fields(kind)
        if field.name not in without
    }


def literal(text: str) -> Any:
    """A number, true, false, several of them between slashes, or the text itself."""
    text = text.strip()
    if "/" in text:
        return tuple(literal(part) for part in text.split("/"))
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _settings(text: str, name: str, known: list[str]) -> dict[str, Any]:
    """Those of "key=value,key=value"."""
    found: dict[str, Any] = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        key = _identifier(key)
        if not equals or (known != ["*"] and key not in known):
            expected = f"settings such as {known[0]}=VALUE" if known else "no settings"
            of = f"{name} takes {', '.join(known)}" if known else f"{name} takes none"
            raise argparse.ArgumentTypeError(f"expected {expected}, got {part!r}; {of}")
        found[key] = literal(value)
    return found


def _identifier(text: str) -> str:
    return text.strip().replace("-", "_")


def _text(value: Any) -> str:
    return "/".join(map(str, value)) if isinstance(value, tuple) else str(value)
