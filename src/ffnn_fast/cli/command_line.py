"""The command ``ffnn-fast``: one module per command, imported only where the command is given.

A command declares its options as a dataclass in its own module (`train` in
`training/train_options.py`, `course` in `course/course_options.py`), and itself as ``COMMAND``.
"""

from __future__ import annotations

import errno
import importlib
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from ffnn_fast._command_start import end as end_start
from ffnn_fast._model.model_files import ModelFileError
from ffnn_fast.cli.arguments.parsing import (
    Command,
    Parser,
    add_options,
    check_no_unknown,
    read_options,
)
from ffnn_fast.cli.mpi_launch import is_other_rank
from ffnn_fast.cli.output import (
    BAD_INPUT,
    INTERRUPTED,
    CommandError,
    discard_buffered,
    prepare_streams,
    store_command,
    write_notes,
)

COMMANDS = {  # by name: the module below cli/, and the line in the help
    "demo": ("demo", "train on handwritten digits and movie ratings, data sets of the package"),
    "train": ("train", "train a network on your own table"),
    "predict": ("predict", "predict from the raw rows of a table"),
    "evaluate": ("evaluate", "evaluate a model on rows whose target is known"),
    "export": ("export", "write a model for other programs: ONNX, or plain safetensors"),
    "course": (
        "course.course_command",
        "the assignment of the lecture: MNIST or Fashion-MNIST with its options",
    ),
    "info": ("info", "show the contents of a model file"),
    "doctor": (
        "doctor",
        "show versions, engine and CPU features of this installation, and test it",
    ),
    "bench": ("bench", "compare the time of steps and predictions with other libraries"),
}
FAILED = 1
FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)  # a disk, or the quota


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
    try:
        prepare_streams()
        end_start()
        command, options = _parsed(argv)
        store_command(argv)
        code = command.run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has closed the pipe
        discard_buffered(sys.stdout)
        return FAILED
    except (CommandError, ModelFileError) as error:
        return _report_error(str(error), BAD_INPUT)
    except OSError as error:
        return _report_error(_described(error), BAD_INPUT)
    except KeyboardInterrupt:
        return _report_error("interrupted", INTERRUPTED)
    except MemoryError as error:
        return _report_error(f"not enough memory: {error}", FAILED)
    except Exception as error:
        if "--debug" in argv:
            raise
        hint = "run again with --debug before the command for a traceback"
        return _report_error(f"unexpected {type(error).__name__}: {error}; {hint}", FAILED)
    return code


def _described(error: OSError) -> str:
    """What failed, and at which file."""
    where = f"{error.filename}: " if error.filename else ""
    if not error.filename and (error.errno in FULL or not _can_flush()):
        where = "cannot write the standard output: "
        discard_buffered(sys.stdout)
    elif error.errno in FULL:
        where = f"cannot write {where}"
    return f"{where}{error.strerror or error}"


def _can_flush() -> bool:
    """Whether what is buffered for the standard output can be written."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        return False
    return True


def parse(argv: Sequence[str]) -> tuple[Command, Any]:
    """The command that some arguments name, and its options.

    Raises
    ------
    CommandError
        If an argument, or an entry of a configuration file, is unknown, missing or bad.
    """
    named = [argument for argument in argv if not argument.startswith("-")][:1]
    found, unknown = build_parser(named).parse_known_args(argv)
    given = vars(found)
    command = load_command(given["command"])
    check_no_unknown(command, unknown)
    return command, read_options(command, given)


def _parsed(argv: Sequence[str]) -> tuple[Command, Any]:
    """As `parse`, but of `train`, which all ranks run with the same arguments, an error has a
    message on the first rank alone.
    """
    try:
        return parse(argv)
    except CommandError:
        collective = argv[:1] == ["train"] and not any(a.startswith("--config") for a in argv)
        if collective and is_other_rank():
            raise CommandError("") from None
        raise


def load_command(name: str) -> Command:
    """One of the COMMANDS."""
    command: Command = importlib.import_module(f"ffnn_fast.cli.{COMMANDS[name][0]}").COMMAND
    return command


def build_parser(commands: Iterable[str] = COMMANDS) -> Parser:
    """The parser of the command line, with the options of `commands`."""
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
    parsers = parser.add_subparsers(
        required=True, dest="command", metavar="COMMAND", title="commands"
    )
    for name, (_, shown) in COMMANDS.items():
        added = parsers.add_parser(name, help=shown, allow_abbrev=False)
        if name in commands:
            add_options(added, load_command(name))
    return parser


def _report_error(message: str, code: int) -> int:
    """Write one line to standard error, if there is a message; returns the exit code."""
    if message:
        write_notes([f"ffnn-fast: error: {' '.join(message.split())}"])
    return code
