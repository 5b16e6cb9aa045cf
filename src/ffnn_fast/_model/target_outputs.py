"""Whether the outputs of a network are those of some targets of a table."""

from __future__ import annotations

from ffnn_fast._model.spec import NetworkSpec
from ffnn_fast.preprocessing import Targets


def check_targets(targets: Targets, spec: NetworkSpec) -> None:
    """ValueError unless each target has outputs of its own: one of a value; of a class its
    probability for each, or that of the second of two.
    """
    if len({target.task for target in targets}) > 1:
        raise ValueError("targets must be all of classes or all of values")
    task, one = targets[0].task, len(targets) == 1
    n_classes = tuple(len(target.classes) for target in targets)
    if one and spec.heads:
        raise ValueError(f"the target is one column, the network has {len(spec.heads)} heads")
    if task == "regression":
        fits = not spec.heads and spec.n_outputs == len(targets)
    else:
        fits = max(spec.n_outputs, 2) == n_classes[0] if one else spec.heads == n_classes
    if task != spec.task or not fits:
        have = "the target has" if one else f"the {len(targets)} targets have"
        raise ValueError(
            f"{have} {' and '.join(map(str, n_classes))} classes ({task}), the network has "
            f"{spec.n_outputs} outputs ({spec.task})"
        )
