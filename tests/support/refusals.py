"""Tables for ``ffnn-fast train``, and a fixture for commands that must fail."""

import pytest

from ffnn_fast.cli import main

PLAIN = ("--model", "plain")
GOOD = "a,b,y\n" + "".join(f"{i * 7 % 40},{'uv'[i % 2]},{i * 0.3:.1f}\n" for i in range(40))
CLASSES = "a,y\n" + "".join(f"{i * 7 % 40},{'uv'[i % 2]}\n" for i in range(40))


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """A function that runs a command which must fail and leave the folder as it was; its error."""
    monkeypatch.chdir(tmp_path)

    def check(*args, code=2):
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        assert main(args) == code
        shown = capsys.readouterr().err
        assert shown.startswith("ffnn-fast: error: ")
        assert shown.endswith("\n")
        assert shown.count("\n") == 1
        assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        return shown

    return check


def train(*options):
    """The arguments that train a plain model on data.csv."""
    output = () if "-o" in options else ("-o", "m.safetensors")
    return ("train", "data.csv", "--target", "y", *output, *PLAIN, *options)
