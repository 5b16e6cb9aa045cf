"""Numbers, arrays, identifiers and comments in the notation of C."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

import numpy as np

IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
WIDTH = 96
KEYWORDS = frozenset(
    (
        *("auto", "break", "case", "char", "const", "continue", "default", "do", "double"),
        *("else", "enum", "extern", "float", "for", "goto", "if", "inline", "int", "long"),
        *("register", "restrict", "return", "short", "signed", "sizeof", "static", "struct"),
        *("switch", "typedef", "union", "unsigned", "void", "volatile", "while", "main"),
    )
)

HEADERS = frozenset(
    (
        *("assert", "complex", "ctype", "errno", "fenv", "float", "inttypes", "iso646", "limits"),
        *("locale", "math", "setjmp", "signal", "stdarg", "stdbool", "stddef", "stdint", "stdio"),
        *("stdlib", "string", "tgmath", "time", "wchar", "wctype"),
    )
)


def literal(value: float, real: str) -> str:
    """An exact literal: hexadecimal, with the suffix f for a float."""
    value = float(value)
    if value != value:
        return "NAN"
    if np.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    mantissa, _, exponent = value.hex().partition("p")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}p{exponent}{'f' if real == 'float' else ''}"


def array(kind: str, name: str, values: np.ndarray, real: str) -> str:
    """``static const kind name[..] = {..};`` of one or two dimensions."""
    shape = "".join(f"[{n}]" for n in values.shape)
    rows = values if values.ndim == 2 else values[None]
    lines = []
    for row in rows:
        texts = ", ".join(literal(v, real) if kind == real else str(int(v)) for v in row.tolist())
        filled = textwrap.fill(texts, WIDTH, initial_indent="    ", subsequent_indent="    ")
        lines.append(filled if values.ndim == 1 else f"    {{\n{filled}\n    }},")
    return "\n".join([f"static const {kind} {name}{shape} = {{", *lines, "};"]) + "\n"


def string(text: str) -> str:
    """A literal, in UTF-8; all but printable ASCII is written as octal numbers."""
    plain = (
        chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}"
        for byte in text.encode()
    )
    return f'"{"".join(plain)}"'


def lines(texts: Iterable[str], indent: int = 4) -> str:
    """Statements, one a line."""
    return "".join(f"{' ' * indent}{text}\n" for text in texts)


def check_identifier(name: str) -> str:
    """The prefix of all names; TypeError or ValueError unless C, C++ and Fortran take it."""
    if not isinstance(name, str):
        raise TypeError(f"name must be a string, got {name!r}")
    if not IDENTIFIER.match(name) or name in KEYWORDS or len(name) > 40:
        raise ValueError(
            f"name must begin with a letter, consist of letters a-z, digits and _, have at most 40 "
            f"of them and be no keyword of C, got {name!r}; give another one as name=..."
        )
    return name


def check_file_name(stem: str) -> None:
    """ValueError unless `#include "<stem>.h"` is C and names no header of C itself."""
    if not (stem.isascii() and stem.isprintable()) or set(stem) & set('"\\'):
        raise ValueError(
            f'the name of the file must be printable ASCII without " and \\, since the source '
            f"includes its header by name; got {stem!r}"
        )
    if stem.lower() in HEADERS:
        raise ValueError(
            f"a header {stem}.h would stand in for that of C with the same name; give the file "
            "another name, and the prefix of the functions as name=..."
        )


def identifier_of(stem: str) -> str:
    """An identifier made of the name of a file."""
    name = re.sub(r"\W", "_", stem, flags=re.ASCII)[:40]
    if not name or not name[0].isalpha() or name in KEYWORDS:
        name = f"net_{name}"[:40]
    return name


def comment(texts: Sequence[str]) -> str:
    """A block comment; whatever would end it, or is not ASCII, is replaced."""
    safe = [text.replace("*/", "* /").replace("/*", "/ *").replace("??", "? ?") for text in texts]
    ascii_only = [text.encode("ascii", "backslashreplace").decode() for text in safe]
    wrapped = [
        part
        for text in ascii_only
        for part in (textwrap.wrap(text, WIDTH, subsequent_indent="  ") or [""])
    ]
    body = "\n".join(["/* " + wrapped[0], *(f" * {line}".rstrip() for line in wrapped[1:])])
    return f"{body}\n */\n"
