"""The command ``ffnn-fast``: one file per command, each importing what it needs when it runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ffnn_fast._model.model_files import ModelFileError
from ffnn_fast.cli import (
    bench,
    config,
    course,
    demo,
    doctor,
    evaluate,
    export,
    info,
    options,
    predict,
    train,
)
from ffnn_fast.cli.output import CommandError

COMMANDS = (demo, train, predict, evaluate, export, course, info, doctor, bench)
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
        parser = build_parser()
        args = parser.parse_args(argv)
        if getattr(args, "config", None):
            args = config.merged(parser, argv, args)
        code: int = args.run(args)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has gone: keep the interpreter's last flush from complaining.
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
        if "--debug" in argv:  # a fault of ours
            raise
        hint = "run again with --debug before the command to see where"
        return _complain(f"unexpected {type(error).__name__}: {error}; {hint}", FAILED)
    return code


def build_parser() -> options.Parser:
    """The parser of all commands."""
    from ffnn_fast import __version__

    parser = options.Parser(
        prog="ffnn-fast",
        description="Feedforward neural networks, fast on a CPU.",
        epilog="Exit codes: 0 done, 1 failed, 2 bad usage or input, 130 interrupted.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"ffnn_fast {__version__}")
    parser.add_argument(
        "--debug", action="store_true", help="show a traceback where something unexpected fails"
    )
    commands = parser.add_subparsers(
        required=True, dest="command", metavar="COMMAND", title="commands"
    )
    for command in COMMANDS:
        command.add_parser(commands)
    return parser


def _complain(message: str, code: int) -> int:
    sys.stderr.write(f"ffnn-fast: error: {' '.join(message.split())}\n")
    return code
