"""The command ``ffnn-fast``: one module per command, which imports what it needs when it runs.

A command declares its options as a dataclass in its own module (`train` in
`training/train_options.py`, `course` in `course/course_options.py`), and itself as ``COMMAND``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from ffnn_fast._model.model_files import ModelFileError
from ffnn_fast.cli import bench, demo, doctor, evaluate, export, info, predict, train
from ffnn_fast.cli.arguments.parsing import (
    Command,
    Parser,
    add_command,
    read_options,
    refuse_unknown,
)
from ffnn_fast.cli.course import course_command
from ffnn_fast.cli.output import CommandError

COMMANDS = tuple(
    module.COMMAND
    for module in (demo, train, predict, evaluate, export, course_command, info, doctor, bench)
)
FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; default: those of the process.

    Returns
    -------
    int
        Exit code: 0 done, 2 bad usage or input, 1 anything else that failed, 130 interrupted.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        command, options = parse(argv)
        code = command.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has closed the pipe: the interpreter must not flush into it again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (CommandError, ModelFileError) as error:
        return _complain(str(error), BAD_INPUT)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _complain(f"{where}{error.strerror or error}", BAD_INPUT)
    except KeyboardInterrupt:
        return _complain("interrupted", INTERRUPTED)
    except MemoryError as error:
        return _complain(f"not enough memory: {error}", FAILED)
    except Exception as error:
        if "--debug" in argv:
            raise
        hint = "run again with --debug before the command for a traceback"
        return _complain(f"unexpected {type(error).__name__}: {error}; {hint}", FAILED)
    return code


def parse(argv: Sequence[str]) -> tuple[Command, Any]:
    """The command that some arguments name, and its options.

    Raises
    ------
    CommandError
        If an argument, or an entry of a configuration file, is unknown, missing or bad.
    """
    found, unknown = build_parser().parse_known_args(argv)
    given = vars(found)
    command = next(command for command in COMMANDS if command.name == given["command"])
    refuse_unknown(command, unknown)
    return command, read_options(command, given)


def build_parser() -> Parser:
    """The parser of all commands."""
    from ffnn_fast import __version__

    parser = Parser(
        prog="ffnn-fast",
        description="Feedforward neural networks, fast on a CPU.",
        epilog="Exit codes: 0 done, 1 failed, 2 bad usage or input, 130 interrupted.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"ffnn_fast {__version__}")
    parser.add_argument(
        "--debug", action="store_true", help="show a traceback of an unexpected error"
    )
    commands = parser.add_subparsers(
        required=True, dest="command", metavar="COMMAND", title="commands"
    )
    for command in COMMANDS:
        add_command(commands, command)
    return parser


def _complain(message: str, code: int) -> int:
    sys.stderr.write(f"ffnn-fast: error: {' '.join(message.split())}\n")
    return code
