"""Trajectories of torch.optim in float64; ``python tests/golden/optimizers.py`` makes the JSON.

The gradient at step t is ``sin(3 θ + t c) + θ / 10`` with c = 0.1, 0.2, ..., entry by entry.
"""

import json
from pathlib import Path

import numpy as np

P = 26  # parameters of a network 3-4-2
STEPS = 200
KEPT = (1, 10, 200)
FILE = Path(__file__).with_suffix(".json")
# name: (our class, our arguments, torch's class, torch's arguments, of our StepRule)
CASES = {
    "sgd": ("SGD", {"learning_rate": 0.1}, "SGD", {"lr": 0.1}, {}),
    "momentum": ("Momentum", {"learning_rate": 0.02}, "SGD", {"lr": 0.02, "momentum": 0.9}, {}),
    "nesterov": (
        "Nesterov", {"learning_rate": 0.02, "momentum": 0.8},
        "SGD", {"lr": 0.02, "momentum": 0.8, "nesterov": True}, {},
    ),
    "adagrad": ("AdaGrad", {}, "Adagrad", {}, {}),
    "adagrad, epsilon": (
        "AdaGrad", {"learning_rate": 0.1, "epsilon": 0.01}, "Adagrad", {"lr": 0.1, "eps": 0.01}, {},
    ),
    "rmsprop": ("RMSprop", {}, "RMSprop", {}, {}),
    "rmsprop, momentum": (
        "RMSprop", {"learning_rate": 0.003, "rho": 0.9, "momentum": 0.5, "epsilon": 1e-3},
        "RMSprop", {"lr": 0.003, "alpha": 0.9, "momentum": 0.5, "eps": 1e-3}, {},
    ),
    "adam": ("Adam", {}, "Adam", {}, {}),
    "adam, betas": (
        "Adam", {"learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3},
        "Adam", {"lr": 0.05, "betas": [0.8, 0.95], "eps": 1e-3}, {},
    ),
    "nadam": ("NAdam", {}, "NAdam", {}, {}),
    "nadam, betas": (
        "NAdam",
        {"learning_rate": 0.01, "beta_1": 0.7, "beta_2": 0.9, "epsilon": 1e-4,
         "momentum_decay": 0.1},
        "NAdam", {"lr": 0.01, "betas": [0.7, 0.9], "eps": 1e-4, "momentum_decay": 0.1}, {},
    ),
    "adamw": ("AdamW", {}, "AdamW", {}, {}),
    "adamw, decay": (
        "AdamW", {"learning_rate": 0.02, "weight_decay": 0.3},
        "AdamW", {"lr": 0.02, "weight_decay": 0.3}, {},
    ),
    "rprop": ("Rprop", {}, "Rprop", {}, {}),
    "rprop, bounds": (
        "Rprop", {"learning_rate": 0.02, "eta_minus": 0.4, "eta_plus": 1.5, "step_min": 1e-3,
                  "step_max": 0.03},
        "Rprop", {"lr": 0.02, "etas": [0.4, 1.5], "step_sizes": [1e-3, 0.03]}, {},
    ),
    "adadelta": ("AdaDelta", {}, "Adadelta", {}, {}),
    "adadelta, rho": (
        "AdaDelta", {"learning_rate": 0.5, "rho": 0.8, "epsilon": 1e-3},
        "Adadelta", {"lr": 0.5, "rho": 0.8, "eps": 1e-3}, {},
    ),
    "adamax": ("AdaMax", {}, "Adamax", {}, {}),
    "adamax, betas": (
        "AdaMax", {"learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-3},
        "Adamax", {"lr": 0.05, "betas": [0.8, 0.9], "eps": 1e-3}, {},
    ),
    "amsgrad": ("AMSGrad", {}, "Adam", {"amsgrad": True}, {}),
    "amsgrad, betas": (
        "AMSGrad", {"learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.7, "epsilon": 1e-3},
        "Adam", {"lr": 0.05, "betas": [0.8, 0.7], "eps": 1e-3, "amsgrad": True}, {},
    ),
    "radam": ("RAdam", {}, "RAdam", {}, {}),
    "radam, betas": (
        "RAdam", {"learning_rate": 0.05, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-2},
        "RAdam", {"lr": 0.05, "betas": [0.8, 0.95], "eps": 1e-2}, {},
    ),
    "radam, never rectified": (
        "RAdam", {"learning_rate": 0.05, "beta_2": 0.6}, "RAdam", {"lr": 0.05, "betas": [0.9, 0.6]},
        {},
    ),
    "clip_norm": ("Adam", {}, "Adam", {}, {"clip_norm": 1.5}),
    "clip_value": ("Momentum", {}, "SGD", {"lr": 0.01, "momentum": 0.9}, {"clip_value": 0.4}),
    "average": ("SGD", {}, "SGD", {"lr": 0.1}, {"average": 0.95}),
}  # fmt: skip


def start():
    """θ before the first step."""
    return np.cos(np.arange(P, dtype=np.float64))


def gradient(theta, t):
    """∇θ at step t."""
    return np.sin(3 * theta + t * 0.1 * np.arange(1, P + 1)) + theta / 10


def trajectory(name, arguments, options):
    """θ, or its average where there is one, after the steps kept."""
    import torch

    torch.set_default_dtype(torch.float64)  # in which NAdam keeps its product of momenta
    theta = torch.nn.Parameter(torch.from_numpy(start()))
    model = torch.nn.ParameterList([theta])
    optimizer = getattr(torch.optim, name)([theta], **arguments)
    averaged = None
    if "average" in options:
        from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

        averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(options["average"]))
    kept = []
    for t in range(1, STEPS + 1):
        theta.grad = torch.from_numpy(gradient(theta.detach().numpy(), t))
        if "clip_value" in options:
            torch.nn.utils.clip_grad_value_([theta], options["clip_value"])
        if "clip_norm" in options:
            torch.nn.utils.clip_grad_norm_([theta], options["clip_norm"])
        optimizer.step()
        if averaged is not None:
            averaged.update_parameters(model)
        if t in KEPT:
            of = theta if averaged is None else next(averaged.parameters())
            kept.append(of.detach().tolist())
    return kept


if __name__ == "__main__":
    found = {
        case: trajectory(name, arguments, options)
        for case, (_, _, name, arguments, options) in CASES.items()
    }
    lines = [f"{json.dumps(case)}: {json.dumps(kept)}" for case, kept in found.items()]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
