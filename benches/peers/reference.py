"""Our NumPy reference, which reads like the lecture: what plain NumPy costs without any tuning."""

from benches.peers import ours

PACKAGES = ("ffnn_fast",)


class Training(ours.Training):
    """The same network on the reference engine."""

    engine = "reference"
