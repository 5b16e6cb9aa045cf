"""Output of commands: lines, tables, files, and their error."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import shlex
import stat
import sys
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from typing import TextIO

from ffnn_fast._model.model_files import write_atomically

BAD_INPUT = 2  # the exit code after a CommandError
INTERRUPTED = 130  # the exit code after Ctrl-C, as of shells
_ARGUMENTS: ContextVar[tuple[str, ...]] = ContextVar("arguments", default=())


class CommandError(Exception):
    """Bad input or usage: the command writes this text as one line and exits with
    code `BAD_INPUT`.
    """


def store_command(argv: Sequence[str]) -> None:
    """Store the arguments of the command line that runs, for `command_text`."""
    _ARGUMENTS.set(tuple(argv))


def command_text() -> str:
    """The command that runs, as it is typed in a shell."""
    return shlex.join(["ffnn-fast", *_ARGUMENTS.get()])


def prepare_streams() -> None:
    """Make the standard output take any text; a standard error that is closed discards it.

    Raises
    ------
    CommandError
        If the standard output is closed.
    """
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8", errors="replace")  # noqa: SIM115
    if sys.stdout is None or getattr(sys.stdout, "closed", False):
        raise CommandError("the standard output is closed; open it, as in > output.txt")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def write_line(text: str = "") -> None:
    """Write a line to standard output, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def write_notes(notes: Iterable[str]) -> None:
    """Write each note in a line of standard error, where they do not mix with results.

    Results are not lost for notes that cannot be written.
    """
    try:
        for note in notes:
            sys.stderr.write(note + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        discard_buffered(sys.stderr)


def discard_buffered(stream: TextIO) -> None:
    """Leave nothing that the interpreter would write to a standard stream again at exit."""
    with contextlib.suppress(AttributeError, OSError, ValueError):  # it need not be a file
        number, nowhere = stream.fileno(), os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)


def counted(n: int, noun: str) -> str:
    """A number of things, as ``1 row`` or ``2 rows``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def aligned(rows: Sequence[Sequence[str]], *, right: bool = True) -> str:
    """Rows of texts as indented lines; columns after the first are aligned to the right.

    A line break in a text becomes a blank.
    """
    rows = [[" ".join(cell.splitlines()) for cell in row] for row in rows]
    widths = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if right and c else cell.ljust(width)
            for c, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(f"  {'  '.join(cells)}".rstrip())
    return "\n".join(lines)


def titled(title: str, rows: Sequence[Sequence[str]]) -> str:
    """A table below a title and an empty line."""
    return f"\n  {title}\n{aligned(rows)}"


def blocks(tables: Iterable[tuple[str, Sequence[Sequence[str]]]]) -> str:
    """Tables below each other, each below its title if it has one."""
    each = (titled(title, rows) if title else aligned(rows) for title, rows in tables)
    return "\n".join(each).removeprefix("\n")


def seconds(value: float) -> str:
    """A duration with a fitting unit."""
    if value < 1e-6:
        return f"{value * 1e9:.0f} ns"
    if value < 1e-3:
        return f"{value * 1e6:.1f} us"
    return f"{value * 1e3:.2f} ms" if value < 1 else f"{value:.2f} s"


def check_output(path: str, *inputs: str) -> None:
    """Refuse a path that cannot be written, before the work starts.

    `inputs` are files that must not be overwritten by it.
    """
    try:
        target = os.path.realpath(path)
        existing = os.lstat(target)
    except FileNotFoundError:
        existing = None
    except (OSError, ValueError) as error:
        raise CommandError(f"cannot write {path}: {_reason(error)}") from error
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise CommandError(f"cannot write {path}: there is no folder {os.path.dirname(path)}")
    if existing and not stat.S_ISREG(existing.st_mode):
        raise CommandError(f"cannot write {path}: it exists and is not a regular file")
    if path.endswith(("/", os.sep)):
        raise CommandError(f"cannot write {path}: it must be the name of a file, not of a folder")
    if not os.access(target if existing else folder, os.W_OK):
        raise CommandError(f"cannot write {path}: permission denied")
    _try_to_write(path, folder)
    if any(target == os.path.realpath(other) for other in inputs):
        raise CommandError(f"cannot write {path}: the command needs that file; choose another")


def check_output_folder(path: str) -> None:
    """CommandError unless files can be written in a folder, which need not exist yet."""
    folder = os.path.realpath(path)
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    if not os.path.isdir(folder):
        raise CommandError(f"cannot write {path}: {folder} is not a folder")
    if not os.access(folder, os.W_OK):
        raise CommandError(f"cannot write {path}: permission denied")
    _try_to_write(path, folder)


def _try_to_write(path: str, folder: str) -> None:
    """CommandError unless a file can be made in a folder, and removed.

    `os.access` does not find every reason: the superuser passes it in read-only mounts and /proc.
    """
    name = os.path.join(folder, f".ffnn_fast-{secrets.token_hex(8)}.tmp")
    try:
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        os.unlink(name)
    except OSError as error:
        why = f"no file can be made in {folder} ({_reason(error)})"
        raise CommandError(f"cannot write {path}: {why}") from error


def _reason(error: OSError | ValueError) -> str:
    reason = getattr(error, "strerror", None) or str(error)
    return reason[:1].lower() + reason[1:]


def write_file(path: str, content: bytes) -> None:
    """Write a file whole or not at all."""
    write_atomically(os.path.realpath(path), [content])
