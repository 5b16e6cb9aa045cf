"""Ctrl-C while the command ``ffnn-fast`` starts: no traceback, and the exit code of `cli.main`.

The package imports this module first. In other programs it does nothing.
"""

import os
import signal
import sys
import threading

INTERRUPTED = 130


def _exit(signum: int, frame: object) -> None:
    os.write(2, b"ffnn-fast: error: interrupted\n")
    os._exit(INTERRUPTED)


def _is_command() -> bool:
    """Whether the package is imported for ``ffnn-fast`` or ``python -m ffnn_fast``."""
    name = os.path.basename(sys.argv[0]) if getattr(sys, "argv", None) else ""
    if name != "-m":
        return os.path.splitext(name)[0] == "ffnn-fast"
    # While Python looks for the module of -m, which may import this package as any other does.
    given = sys.orig_argv
    module = given[given.index("-m") + 1 :][:1] if "-m" in given else []
    return module in (["ffnn_fast"], ["ffnn_fast.__main__"])


def end() -> None:
    """Let Ctrl-C raise KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is _exit:
        signal.signal(signal.SIGINT, signal.default_int_handler)


if (
    _is_command()
    and threading.current_thread() is threading.main_thread()
    and signal.getsignal(signal.SIGINT) is signal.default_int_handler
):
    signal.signal(signal.SIGINT, _exit)
