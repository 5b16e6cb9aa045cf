"""The assignment: images of 10 classes, and a run with one optimizer."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np

from ffnn_fast._training.divergence import DivergedWarning
from ffnn_fast.cli.course.assignment_results import Records, Result
from ffnn_fast.cli.course.course_options import (
    ACTIVATIONS,
    LOSSES,
    CourseOptions,
    CourseTraining,
)
from ffnn_fast.cli.output import CommandError, write_line
from ffnn_fast.cli.progress import progress
from ffnn_fast.datasets import load_images
from ffnn_fast.metrics import confusion_matrix
from ffnn_fast.network import Network
from ffnn_fast.optimizers import SGD, Adam, Momentum, NAdam, Nesterov, Optimizer, RMSprop

CLASSES = 10
HELD_OUT = 10  # one training image in so many is for validation
RANDOM = 0.1  # standard deviation of "random" weights
USUAL_RATES = {
    "sgd": 0.1,
    "momentum": 0.05,
    "nag": 0.05,
    "rmsprop": 0.001,
    "adam": 0.001,
    "nadam": 0.001,
}
LEAST_RATE = 1e-6  # annealing ends below it


@dataclass(frozen=True)
class Part:
    """Images as rows of values 0 to 1, (n, pixels) float32, and their labels (n,)."""

    X: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Images:
    """The images for training, validation and test."""

    train: Part
    validation: Part
    test: Part


def load(folder: str, name: str, seed: int) -> Images:
    """The data set in `folder`; a random tenth of its training images is for validation."""
    places = [os.path.join(folder, part) for part in (name, name.replace("_", "-"))]
    places += [f"{place}.npz" for place in places] + [folder]
    if not os.path.exists(folder):
        raise CommandError(f"{folder} has no {name}: there is no such folder")
    found = next(place for place in places if os.path.exists(place))
    try:
        train, test = load_images(found)
    except FileNotFoundError as error:
        raise CommandError(f"{folder} has no {name}: {error}") from error
    except ValueError as error:
        raise CommandError(str(error)) from error
    parts = [_part(train.X, train.y), _part(test.X, test.y)]
    if any(part.y.max() >= CLASSES for part in parts) or parts[0].X.shape[1] != parts[1].X.shape[1]:
        raise CommandError(f"{found} must hold images of one size in at most {CLASSES} classes")
    order = np.random.default_rng(seed).permutation(len(train.y))
    held_out, rest = np.split(order, [len(order) // HELD_OUT])
    if not len(held_out):
        raise CommandError(
            f"{found} has {len(order)} training images; at least {HELD_OUT} are needed"
        )
    whole, last = parts
    return Images(
        Part(whole.X[rest], whole.y[rest]), Part(whole.X[held_out], whole.y[held_out]), last
    )


def learn(images: Images, options: CourseOptions, optimizer: str, rate: float) -> Result:
    """Train a new network with one optimizer, and evaluate it on the test images."""
    network, training = options.network, options.training
    pixels = images.train.X.shape[1]
    net = Network(
        [pixels, *[network.hidden_size] * network.num_layers, CLASSES],
        activation=ACTIVATIONS[network.activation],
        output="softmax",
        loss=LOSSES[network.loss],
        initializer="glorot_uniform" if network.weight_init == "Xavier" else _random,
        l2=network.weight_decay,
        seed=training.seed,
    )
    train = _anneal if training.anneal else _train
    with progress(optimizer, training.epochs) as show, warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergedWarning)
        history = train(net, images, training, _optimizer(optimizer, rate, training), show)
    confusion = confusion_matrix(images.test.y, net.predict(images.test.X), CLASSES)
    accuracy = float(np.trace(confusion) / confusion.sum())
    return Result(optimizer, rate, history, accuracy, confusion)


def _part(X: np.ndarray, y: np.ndarray) -> Part:
    return Part(X.astype(np.float32) / np.float32(255), y.astype(np.int64))


def _random(fan_out: int, fan_in: int, rng: np.random.Generator) -> np.ndarray:
    return rng.normal(0, RANDOM, (fan_out, fan_in))


def _optimizer(name: str, rate: float, training: CourseTraining) -> Optimizer:
    moments = {"beta_1": training.beta1, "beta_2": training.beta2, "epsilon": training.epsilon}
    made: dict[str, Any] = {
        "sgd": lambda: SGD(learning_rate=rate),
        "momentum": lambda: Momentum(learning_rate=rate, momentum=training.momentum),
        "nag": lambda: Nesterov(learning_rate=rate, momentum=training.momentum),
        "rmsprop": lambda: RMSprop(learning_rate=rate, rho=training.beta, epsilon=training.epsilon),
        "adam": lambda: Adam(learning_rate=rate, **moments),
        "nadam": lambda: NAdam(learning_rate=rate, **moments),
    }
    return made[name]()


def _train(
    net: Network, images: Images, training: CourseTraining, optimizer: Optimizer, show: Any
) -> Records:
    """All epochs at one rate."""
    history = net.fit(
        images.train.X,
        images.train.y,
        epochs=training.epochs,
        batch_size=training.batch_size,
        optimizer=optimizer,
        validation_data=(images.validation.X, images.validation.y),
        callbacks=[show],
    )
    if history.stopped == "diverged":
        raise CommandError(
            f"{optimizer.name} diverged at rate {optimizer.learning_rate:g}: try a smaller -lr"
        )
    return list(history)


def _anneal(
    net: Network, images: Images, training: CourseTraining, optimizer: Optimizer, show: Any
) -> Records:
    """Epoch by epoch; one that raises the validation loss is repeated at half the rate, from the
    parameters and the optimizer's state before it.
    """
    train, validation = images.train, images.validation
    records: Records = []
    rate, best = optimizer.learning_rate, net.loss(validation.X, validation.y)
    while len(records) < training.epochs and rate >= LEAST_RATE:
        before = net.copy()
        order = net.rng.permutation(len(train.y))
        began = perf_counter()
        loss = net.partial_fit(
            train.X[order],
            train.y[order],
            batch_size=training.batch_size,
            optimizer=None if net.stream else replace(optimizer, learning_rate=rate),
            learning_rate=rate if net.stream else None,
        )
        spent = perf_counter() - began
        val_loss = net.loss(validation.X, validation.y)
        if not val_loss <= best:
            rate /= 2
            write_line(
                f"the validation loss rose to {val_loss:.4f}: repeating the epoch at rate {rate:g}"
            )
            net.params[:], net.stream = before.params, before.stream
            continue
        best = val_loss
        records.append(
            {
                "epoch": len(records) + 1,
                "loss": loss,
                "accuracy": net.score(train.X, train.y),
                "val_loss": val_loss,
                "val_accuracy": net.score(validation.X, validation.y),
                "learning_rate": rate,
                "seconds": spent,
            }
        )
        show(records[-1])
    if not records:
        raise CommandError(f"no rate down to {LEAST_RATE:g} lowers the validation loss")
    return records
