"""Calls that end in a KeyboardInterrupt at a chosen instruction of Python."""

import sys
from contextlib import suppress
from itertools import count

CALLERS = 1
EVERYWHERE = ("",)
ANYWHERE = ("ffnn_fast", "numpy", "signal", "contextlib")


def places_in(call, fine=EVERYWHERE):
    """Each event of tracing in a call: its file, and its instruction and those of its callers.

    Events are calls, lines and returns, and instructions in files whose path has one of `fine`.
    """
    places = []

    def note(frame):
        instructions = []
        for _ in range(CALLERS + 1):
            instructions.append((frame.f_code, frame.f_lasti))
            frame = frame.f_back
        places.append((instructions[0][0].co_filename, tuple(instructions)))

    _traced(call, note, fine)
    return places


def interrupted_at(place, call, fine=EVERYWHERE):
    """Make the call, with a KeyboardInterrupt raised in it at the event of this number, from 0."""
    number = count()

    def interrupt(frame):
        if next(number) == place:
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        _traced(call, interrupt, fine)


def _traced(call, visit, fine):
    def trace(frame, event, argument):
        name = frame.f_globals.get("__name__", "")
        if not name.startswith(ANYWHERE):
            return None
        file = frame.f_code.co_filename
        frame.f_trace_opcodes = any(part in file for part in fine)
        visit(frame)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
