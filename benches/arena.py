"""The arena of the benches: it knows their form, their data and their contestants."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from benches import peers  # noqa: F401  (enters the contestants of the benches)
from ffnn_fast._bench import arena

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Arena(arena.Arena):
    """Also whether the form is the full one, and the folder of the data."""

    full: bool = False
    data: Path = ROOT
    session: ClassVar[str] = "benches.worker"
