"""Ends of processes that a test has started."""

import subprocess

HANGS = 240  # s; a process that has not ended by then never does


def output_at_end(process):
    """(stdout, stderr) of a process that should end soon; one that does not is killed."""
    try:
        return process.communicate(timeout=HANGS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
