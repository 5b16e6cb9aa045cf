"""A clock that advances with the work done, for tests of time limits."""

from ffnn_fast._runtime.bound_network import BoundNetwork


class StepClock:
    """Seconds: one for each call of `BoundNetwork.train`, that is for each chunk of steps."""

    def __init__(self):
        self.calls = 0

    def __call__(self):
        return float(self.calls)


def install(monkeypatch, *names):
    """Replace these clocks, by their dotted names, and return the `StepClock`."""
    clock, train = StepClock(), BoundNetwork.train

    def counted(self, *args):
        clock.calls += 1
        return train(self, *args)

    monkeypatch.setattr(BoundNetwork, "train", counted)
    for name in names:
        monkeypatch.setattr(name, clock)
    return clock
