"""Files that cannot be written: refused before the work starts, or named, and no part left."""

import errno
import io
import os
import shlex
import subprocess
import sys

import pytest
from support.refusals import GOOD, refused, train

from ffnn_fast import Network
from ffnn_fast.cli import main

__all__ = ["refused"]  # a fixture


@pytest.fixture(autouse=True)
def never_trained(tmp_path, monkeypatch):
    """A table, and networks that cannot be trained."""
    (tmp_path / "data.csv").write_text(GOOD)
    with monkeypatch.context() as patch:
        patch.setattr(Network, "fit", lambda *_, **__: pytest.fail("it was trained"))
        yield patch


PATHS = {
    "nodir/m": "there is no folder nodir",
    ".": "it exists and is not a regular file",
    "m/": "it must be the name of a file, not of a folder",
    "data.csv/m": "cannot write data.csv/m: not a directory",
    "m" * 300: "ile name too long",
    "data.csv": "the command needs that file",
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("option", ["-o", "--checkpoint"])
def test_paths(refused, path, option):
    assert PATHS[path] in refused(*train(option, path))


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs /proc, which takes no files")
@pytest.mark.parametrize(
    ("option", "path"),
    [("-o", "/proc/m"), ("--report", "/proc/m.png"), ("--log", "/proc/m.csv"),
     ("--checkpoint", "/proc/m"), ("--tensorboard", "/proc/m")],
)  # fmt: skip
def test_folders_that_take_no_files_although_their_mode_allows_it(refused, option, path):
    """The superuser may write anywhere, by the mode."""
    why = "no file can be made in /proc (" if os.geteuid() == 0 else "permission denied"
    assert f"cannot write {path}: {why}" in refused(*train(option, path))


def test_a_folder_of_tensorboard_that_is_a_file(refused):
    assert "data.csv is not a folder" in refused(*train("--tensorboard", "data.csv"))


def test_names_that_no_file_can_have(refused, tmp_path):
    (tmp_path / "c.json").write_text('{"data": "data.csv", "target": "y", "output": "a\\u0000b"}')
    assert "embedded null byte" in refused("train", "--config", "c.json", "--no-report")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG])
def test_a_full_disk(refused, tmp_path, never_trained, number):
    """The message names the file, and no part of it is left; the old one stays."""
    never_trained.undo()
    (tmp_path / "data.csv").write_text(GOOD)
    (tmp_path / "m").write_bytes(b"old")

    def full(descriptor):
        raise OSError(number, os.strerror(number))

    never_trained.setattr(os, "fsync", full)
    message = refused(*train("-o", "m", "--epochs", "1", "--no-report"))
    assert f"cannot write {tmp_path / 'm'}: {os.strerror(number)}" in message
    assert sorted(os.listdir(tmp_path)) == ["data.csv", "m"]
    assert (tmp_path / "m").read_bytes() == b"old"


class FullText(io.TextIOWrapper):
    """Text of no file, which cannot be written."""

    def __init__(self):
        super().__init__(io.BytesIO(), encoding="utf-8")

    def write(self, text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_standard_output_that_is_no_file(never_trained, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", FullText())
    assert main(["--help"]) == 2
    assert "cannot write the standard output: No space left on device" in capsys.readouterr().err


@pytest.mark.parametrize("closed", [None, io.StringIO()])
def test_a_closed_standard_output(never_trained, monkeypatch, capsys, closed):
    if closed is not None:
        closed.close()
    monkeypatch.setattr(sys, "stdout", closed)
    assert main(["--version"]) == 2
    assert "the standard output is closed" in capsys.readouterr().err


@pytest.mark.parametrize(
    "redirection", [pytest.param("2>&-", marks=pytest.mark.slow), "2>/dev/full"]
)
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full and a shell")
def test_predictions_are_not_lost_for_notes_that_cannot_be_written(
    never_trained, tmp_path, monkeypatch, redirection
):
    never_trained.undo()
    monkeypatch.chdir(tmp_path)
    assert main(train("-o", "m", "--epochs", "1", "--no-report")) == 0
    far = GOOD.replace("\n", "\n99999", 1)
    (tmp_path / "far.csv").write_text(far)

    def run(arguments, redirection):
        command = f"{shlex.quote(sys.executable)} -m ffnn_fast predict {arguments} {redirection}"
        return subprocess.run(command, shell=True, capture_output=True, text=True, check=False)

    shown = run("m far.csv", "")
    assert "far outside" in shown.stderr
    hidden = run("m far.csv", redirection)
    assert (hidden.returncode, hidden.stdout) == (0, shown.stdout)
    assert run("nowhere far.csv", redirection).returncode == 2
    assert "standard input is closed" in run("m -", "<&-").stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["--version"],
        *(pytest.param(a, marks=pytest.mark.slow) for a in (["--help"], ["train", "--help"])),
    ],
)
def test_help_on_a_full_standard_output(monkeypatch, arguments, unbuffered):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    command = [sys.executable, "-m", "ffnn_fast", *arguments]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert "cannot write the standard output: No space left on device" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="needs descriptors of POSIX")
def test_a_standard_output_that_is_open_for_reading_alone(monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    command = [sys.executable, "-m", "ffnn_fast", "--help"]
    with open(os.devnull) as read_only:
        done = subprocess.run(
            command, stdout=read_only, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "cannot write the standard output: Bad file descriptor" in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_standard_output(never_trained, tmp_path, monkeypatch, unbuffered):
    never_trained.undo()
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    monkeypatch.chdir(tmp_path)
    assert main(train("-o", "m", "--epochs", "1", "--no-report")) == 0
    command = [sys.executable, "-m", "ffnn_fast", "predict", "m", "data.csv"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert "cannot write the standard output: No space left on device" in done.stderr
