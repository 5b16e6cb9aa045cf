"""The runner of the benches: also the form of the run and the folder of the data."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from benches.libraries import additional  # noqa: F401  (registers the libraries of the benches)
from ffnn_fast._bench import runner

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Runner(runner.Runner):
    """A `ffnn_fast._bench.runner.Runner`.

    Attributes
    ----------
    full : bool
        Whether the form is the full one.
    data : Path
        The folder of the data.
    """

    full: bool = False
    data: Path = ROOT
    operations: ClassVar[str] = "benches.operations"
