"""Contestants with planted faults, for `test_racing`: NumPy's, in a session that spoils them."""

import os
import sys

from ffnn_fast._bench import worker
from ffnn_fast._bench.peers import MODULES

FAULTY = ["wrong", "failing", "dying", "mortal"]
MODULES |= dict.fromkeys(FAULTY, MODULES["numpy"])


class Session(worker.Session):
    """Spoils what the peer's name says; also tells what the process is like."""

    def __init__(self, peer, threads):
        super().__init__(peer, threads)
        self.peer, self.epochs = peer, 0

    def train(self, problem):
        if self.peer == "failing":
            raise RuntimeError("no such layer")
        self.epochs = 0
        super().train(problem)

    def epoch(self):
        """A mortal one lives through its check and its preparation: two epochs of a training."""
        self.epochs += 1
        if self.peer == "dying" or (self.peer == "mortal" and self.epochs > 2):
            os._exit(3)
        return super().epoch()

    def params(self):
        return super().params() * (1.01 if self.peer == "wrong" else 1)

    def answer(self, way):
        return super().answer(way) + (0.1 if self.peer == "wrong" else 0)

    def calls(self, way, number):
        if self.peer == "dying":
            os._exit(3)
        return super().calls(way, number)

    def process(self):
        """Loaded modules, environment, and cores."""
        cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
        return set(sys.modules), dict(os.environ), cores
