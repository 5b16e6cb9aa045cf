"""Options with settings of their own: ``adam:beta_1=0.95,epsilon=1e-6``, or a table in a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from ffnn_fast._names import hint, synonym
from ffnn_fast._scalars import as_bool, as_choice, as_float, as_int
from ffnn_fast.cli.arguments.value_types import ValueType

ANY = "*"  # as the only name of a setting: settings are not checked here


@dataclass(frozen=True)
class Choice:
    """The name that was chosen, and its settings."""

    name: str
    settings: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return _shown(self.name, self.settings)


@dataclass(frozen=True)
class Count:
    """A number of epochs or steps, or a share of the fit, and the settings that go with it."""

    number: float
    settings: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return _shown(str(self.number), self.settings)


@dataclass(frozen=True)
class ChoiceOf(ValueType):
    """One of some names, each with its settings: ``name:key=value`` or {name = "...", key = ...}.

    Parameters
    ----------
    known : mapping of str to mapping
        By name, the settings with their defaults; None where there is no default.
    """

    known: Mapping[str, Mapping[str, Any]]

    def from_text(self, text: str, name: str) -> Any:
        """A dict of the name and the settings."""
        chosen, _, rest = text.partition(":")
        return {"name": chosen, **_settings_from_text(rest, name)}

    def check(self, value: Any, name: str) -> Choice:
        """A Choice, from a table, or from a name or text."""
        if isinstance(value, str):
            value = self.from_text(value, name)
        if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
            raise TypeError(f"{name} must be a name, or a table with the key name; got {value!r}")
        settings = {key: setting for key, setting in value.items() if key != "name"}
        given = _identifier(value["name"])
        chosen = as_choice(synonym(given, self.known) or given, name, self.known)
        return Choice(chosen, _checked(settings, f"{name} {chosen}", self.known[chosen]))


@dataclass(frozen=True)
class CountOf(ValueType):
    """A whole number of at least 1 with settings: ``10:key=value`` or {epochs = 10, key = ...}.

    With the setting ``per=fit`` it is a share of the fit in (0, 1]: ``0.1:per=fit``.

    Parameters
    ----------
    unit : str
        What is counted, and the key in a table: "epochs" or "steps".
    known : mapping
        The settings with their defaults.
    """

    unit: str
    known: Mapping[str, Any]

    def from_text(self, text: str, name: str) -> Any:
        """A dict of the number, under its unit, and the settings."""
        number, _, rest = text.partition(":")
        settings = _settings_from_text(rest, name)
        is_number = number.strip().isdecimal() or settings.get("per") == "fit"
        return {self.unit: literal(number) if is_number else number, **settings}

    def check(self, value: Any, name: str) -> Count:
        """A Count, from a table, or from a number or text."""
        if isinstance(value, str):
            value = self.from_text(value, name)
        if not isinstance(value, Mapping):
            value = {self.unit: value}
        if self.unit not in value:
            raise TypeError(f"{name} must be a number of {self.unit}, or a table with the key "
                            f"{self.unit}; got {value!r}")  # fmt: skip
        settings = {key: setting for key, setting in value.items() if key != self.unit}
        settings, given = _checked(settings, name, self.known), value[self.unit]
        if settings.get("per") == "fit":
            share = as_float(given, f"{name} (a share of the fit)", high=1.0, closed="right")
            return Count(share, settings)
        try:
            return Count(as_int(given, f"{name} (a number of {self.unit})"), settings)
        except TypeError as error:
            number = literal(given) if isinstance(given, str) else given
            share = isinstance(number, float) and 0 < number <= 1
            advice = f"; a share of the fit is written {given}:per=fit" if share else ""
            raise TypeError(f"{error}{advice}") from None


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


def _settings_from_text(text: str, name: str) -> dict[str, Any]:
    """Those of "key=value,key=value"."""
    found: dict[str, Any] = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            raise ValueError(f"{name}: settings are written key=value, got {part!r}")
        found[_identifier(key)] = literal(value)
    return found


def _checked(settings: Mapping[str, Any], name: str, known: Mapping[str, Any]) -> dict[str, Any]:
    """The settings; raises for an unknown name, or no number where the default is one."""
    found = {}
    for given, value in settings.items():
        key = _identifier(given)
        if ANY not in known and key not in known:
            listed = f"its settings: {', '.join(known)}" if known else "it has none"
            raise ValueError(f"{name}: unknown setting {key!r}; {listed}{hint(key, known)}")
        default = known.get(key)
        if isinstance(default, bool):
            as_bool(value, f"{name}: {key}")
        elif isinstance(default, (int, float)) and isinstance(value, (str, bool, Mapping)):
            raise TypeError(f"{name}: {key} must be a number, got {value!r}")
        found[key] = tuple(value) if isinstance(value, list) else value
    return found


def _identifier(text: str) -> str:
    return text.strip().replace("-", "_")


def _shown(name: str, settings: Mapping[str, Any]) -> str:
    given = ",".join(
        f"{key}={'/'.join(map(str, value)) if isinstance(value, tuple) else value}"
        for key, value in settings.items()
    )
    return f"{name}:{given}" if given else name
