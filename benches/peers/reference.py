"""Our NumPy reference, which reads like the lecture: what plain NumPy costs without any tuning."""

from benches.peers import ours

PACKAGES = ("ffnn_fast",)


class Training(ours.Training):
    """The same network on the reference engine."""

    def __init__(self, problem, X, y, threads):
        super().__init__(problem, X, y, threads, "reference")
