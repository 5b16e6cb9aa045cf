"""Rates of torch.optim.lr_scheduler; ``python tests/golden/schedules.py`` makes the JSON."""

import json
from pathlib import Path

FILE = Path(__file__).with_suffix(".json")
STEPS = 25
LOSSES = [1.0, 0.9, 0.95, 0.9, 0.9, 0.8999, 0.5, *[0.6] * 11, *[0.4] * 7]
# name: schedulers that are chained, each with its arguments
CASES = {
    "step": [("StepLR", {"step_size": 7, "gamma": 0.3})],
    "exponential": [("ExponentialLR", {"gamma": 0.9})],
    "cosine": [("CosineAnnealingWarmRestarts", {"T_0": 6, "eta_min": 0.01})],
    "cosine_growing": [
        ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2, "eta_min": 0.01}),
    ],
    "one_cycle": [("OneCycleLR", {"max_lr": 0.1, "total_steps": STEPS, "pct_start": 0.3})],
    "plateau": [
        ("ReduceLROnPlateau", {"factor": 0.5, "patience": 2, "cooldown": 1, "min_lr": 0.01}),
    ],
    "warm_up_exponential": [
        ("LinearLR", {"start_factor": 0.25, "total_iters": 5}),
        ("ExponentialLR", {"gamma": 0.9}),
    ],
}


def rates(schedulers):
    import torch
    from torch.optim import lr_scheduler

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    made = [getattr(lr_scheduler, name)(optimizer, **given) for name, given in schedulers]
    found = []
    for loss in LOSSES:
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        for scheduler in made:
            plateau = isinstance(scheduler, lr_scheduler.ReduceLROnPlateau)
            scheduler.step(loss) if plateau else scheduler.step()
    return found


if __name__ == "__main__":
    FILE.write_text(json.dumps({name: rates(case) for name, case in CASES.items()}, indent=1))
