"""Libraries with injected faults, for `test_bench`: NumPy's adapter, with operations that fail."""

import os
import sys
import time

from ffnn_fast._bench import worker
from ffnn_fast._bench.libraries.registry import MODULES

FAULTY = ["wrong", "failing", "exiting", "exiting later"]
MODULES |= dict.fromkeys(FAULTY, MODULES["numpy"])


class Operations(worker.Operations):
    """Each library's name is its fault; `process` describes the process."""

    def __init__(self, library, threads):
        super().__init__(library, threads)
        self.library, self.epochs = library, 0

    def train(self, problem):
        if self.library == "failing":
            raise RuntimeError("no such layer")
        self.epochs = 0
        super().train(problem)

    def epoch(self):
        """Two epochs of a training suffice for its check and its calibration."""
        self.epochs += 1
        if self.library == "exiting" or (self.library == "exiting later" and self.epochs > 2):
            os._exit(3)
        return super().epoch()

    def params(self):
        return super().params() * (1.01 if self.library == "wrong" else 1)

    def output(self, call):
        return super().output(call) + (0.1 if self.library == "wrong" else 0)

    def time_calls(self, call, number):
        if self.library == "exiting":
            os._exit(3)
        return super().time_calls(call, number)

    def sleep(self):
        """Longer than any test waits."""
        time.sleep(600)

    def process(self):
        """Loaded modules, environment variables, and cores."""
        cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
        return set(sys.modules), dict(os.environ), cores
