"""Ctrl-C while the command starts is quiet; other programs get KeyboardInterrupt as ever."""

import subprocess
import sys

import pytest

INTERRUPTED_IMPORT = """
import signal, sys

class Interrupts:  # sends Ctrl-C when a module is about to be imported
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupts())
signal.signal(signal.SIGINT, signal.default_int_handler)
from ffnn_fast.cli import main
sys.exit(main(["--version"]) if sys.argv[1] == "ffnn_fast.cli" else main(["info", "nothing"]))
"""


def run(program, module, named="ffnn_fast"):
    """The import as Python makes it for the program, or for ``-m named``."""
    start = f"sys.argv[0] = {program!r}; sys.orig_argv = ['python', '-m', {named!r}]"
    source = f"import sys; {start}\n{INTERRUPTED_IMPORT}"
    command = [sys.executable, "-c", source, module]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("module", ["numpy", "ffnn_fast.network", "ffnn_fast.cli"])
@pytest.mark.parametrize("program", ["/bin/ffnn-fast", "-m", "ffnn-fast.exe"])
def test_the_command_ends_quietly(program, module):
    found = run(program, module)
    assert (found.returncode, found.stderr) == (130, "ffnn-fast: error: interrupted\n")


def test_a_command_module_that_is_interrupted_is_reported_alike():
    found = run("ffnn-fast", "ffnn_fast.cli.info")
    assert (found.returncode, found.stderr) == (130, "ffnn-fast: error: interrupted\n")


@pytest.mark.parametrize(
    ("program", "named"), [("train.py", "ffnn_fast"), ("-m", "tool"), ("-m", "ffnn_fast_tool")]
)
def test_other_programs_get_an_exception(program, named):
    """Also one whose package imports this one while Python looks for ``-m tool``."""
    found = run(program, "ffnn_fast.network", named)
    assert found.returncode not in (0, 130) or "KeyboardInterrupt" in found.stderr
    assert "Traceback" in found.stderr
