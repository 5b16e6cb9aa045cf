"""A network trained on prepared rows, and its scores beside those of simple models."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from ffnn_fast._training.divergence import DivergedWarning
from ffnn_fast.cli.arguments.declaration import flag, values_of
from ffnn_fast.cli.arguments.named_settings import Choice
from ffnn_fast.cli.evaluation.stored_scores import summarised
from ffnn_fast.cli.evaluation.tables import Titled
from ffnn_fast.cli.output import CommandError, write_line
from ffnn_fast.cli.progress import progress
from ffnn_fast.cli.table_preprocessing import KEY, TablePreprocessing
from ffnn_fast.cli.target_encoders import narrow
from ffnn_fast.cli.training import building
from ffnn_fast.cli.training.by_ranks import divergence_of_all, together
from ffnn_fast.cli.training.choice_settings import LEVENBERG_MARQUARDT
from ffnn_fast.cli.training.preparing import Prepared
from ffnn_fast.cli.training.shares import Share, received
from ffnn_fast.cli.training.simple_models import quiet_packages
from ffnn_fast.cli.training.train_options import TrainOptions
from ffnn_fast.history import History
from ffnn_fast.network import Network

Array = np.ndarray
ITERATIONS = 200  # of a solver, at most
SCIPY_REASONS = {  # part of a message of SciPy → what it means
    "TOTAL NO. OF ITERATIONS REACHED LIMIT": "the maximum number of iterations is reached",
    "EXCEEDS LIMIT": "the maximum number of evaluations is reached",
    "EVALUATIONS REACHED LIMIT": "the maximum number of evaluations is reached",
    "REDUCTION": "converged: the loss falls by no more than the tolerance",
    "PROJECTED": "converged: the gradient is no greater than the tolerance",
    "ABNORMAL": "the line search finds no lower loss",
}
STEPS_ONLY = (
    *("optimizer", "learning_rate", "schedule", "warm_up", "batch_size", "early_stopping", "tol"),
    *("max_time", "averaging", "clip_value", "clip_norm", "max_norm"),
    *("diagnostics", "metrics", "log", "tensorboard", "checkpoint", "resume"),
    *("checkpoint_every", "finish_on_interrupt"),
    *("validation_fraction",),
)


@dataclass(frozen=True)
class Fitted:
    """A trained network, its preprocessing, and how it was trained.

    Attributes
    ----------
    network : Network
    preprocessing : TablePreprocessing
    history : History
    training : dict of str to str
        The options of the training, by name.
    ended : str
        Epochs, time, and the reason why training ended.
    """

    network: Network
    preprocessing: TablePreprocessing
    history: History
    training: dict[str, str]
    ended: str

    def save(self, path: str, results: Titled, baselines: str = "") -> None:
        """Write the model file, with the options and scores of the training in its summary."""
        summary = self.training | summarised(results)
        preprocessing = replace(self.preprocessing, summary=summary, baselines=baselines)
        try:
            self.network.save(path, extra={KEY: preprocessing.to_json()})
        except ValueError as error:
            raise CommandError(str(error)) from error


@contextmanager
def library_errors() -> Iterator[None]:
    """Errors of the library, and a divergence, as CommandErrors; no warnings of the packages that
    it uses, which name no option of the command.
    """
    with quiet_packages():
        warnings.simplefilter("error", DivergedWarning)
        warnings.filterwarnings("error", "Unknown solver options")  # SciPy's
        try:
            yield
        except DivergedWarning as warning:
            what = str(warning).partition(";")[0]
            raise CommandError(f"{what}: try a smaller --learning-rate") from None
        except Warning as warning:
            raise CommandError(str(warning)) from None
        except (ValueError, TypeError) as error:
            raise CommandError(str(error)) from error


def fit(network: Network, prepared: Prepared, options: TrainOptions) -> Fitted:
    """Train a network on the training rows."""
    began = perf_counter()
    with library_errors():
        train = _solve if options.training.solver else _step
        history, training = train(network, prepared, options)
    spent = perf_counter() - began
    rows, seed = str(len(prepared.train)), str(options.training.seed)
    training = {"rows": rows, **training, "seed": seed}
    ended = (
        f"{len(history)} {'iterations' if options.training.solver else 'epochs'} in {spent:.1f} s"
    )
    best = getattr(history, "best_epoch", None)
    why = getattr(history, "message", "") or history.stopped
    if why not in ("", "epochs"):
        ended += f"; {_in_words(why)}"
    if best:
        ended += f"; the parameters are those of epoch {best}"
    return Fitted(network, prepared.preprocessing, history, training, ended)


def _in_words(reason: str) -> str:
    """Why a solver ended, in words where the message is one of SciPy's in capitals."""
    return next((words for part, words in SCIPY_REASONS.items() if part in reason), reason)


def _step(
    network: Network, prepared: Prepared, options: TrainOptions
) -> tuple[History, dict[str, str]]:
    """Minibatch steps."""
    X, y, weight = _part(prepared, prepared.train, network.spec.dtype)
    rate = building.rate_of(options.training, network, X, y, weight)
    if options.training.learning_rate == "find":
        write_line(f"learning rate {rate:.3g}, found by a trial")
    task, is_validated = network.spec.task, len(prepared.validation) > 0
    arguments = building.fit_options(options, len(X), task, rate, is_validated=is_validated)
    followed = prepared.validation if is_validated else prepared.test
    if any(prepared.unknown):  # classes that the network has not have no loss
        known = prepared.y[followed] < np.array(prepared.preprocessing.targets.n_classes)
        followed = followed[known.all(axis=1)]
    held = _part(prepared, followed, network.spec.dtype)
    callbacks, n = building.callbacks(options.reporting), len(X)
    comm = together(n)
    share = Share(network, rate, n, is_validated, X, y, weight)
    del X, y, weight  # of which each rank keeps its share
    share = share.divided(comm)
    with divergence_of_all(comm), progress("training", arguments["epochs"]) as show:
        history = network.fit(
            share.X,
            share.y,
            sample_weight=share.weight,
            validation_data=held[: 2 if share.weight is None else 3] if len(followed) else None,
            rng=options.training.seed if prepared.start is not None else None,
            callbacks=[show, *callbacks],
            comm=comm,
            **arguments,
        )
    return history, building.described(options, n, task, rate)


def fit_share(options: TrainOptions) -> None:
    """Train on the rows that the first rank sends, together with it."""
    comm = together()
    if comm is None:
        return
    share = received(comm)
    task = share.network.spec.task
    arguments = building.fit_options(
        options, share.n, task, share.rate, is_validated=share.is_validated
    )
    with library_errors(), divergence_of_all(comm):
        share.network.fit(share.X, share.y, sample_weight=share.weight, comm=comm, **arguments)


def _solve(
    network: Network, prepared: Prepared, options: TrainOptions
) -> tuple[History, dict[str, str]]:
    """A full-batch solver's iterations."""
    values, solver = values_of(options), options.training.solver or Choice(LEVENBERG_MARQUARDT)
    for name in STEPS_ONLY:
        if values[name]:
            raise CommandError(f"{flag(name)} is for training by steps, not for --solver")
    name, settings = solver.name, dict(solver.settings)
    if values["frozen"] and name != LEVENBERG_MARQUARDT:
        raise CommandError(
            f"{flag('frozen')} is for training by steps or --solver {LEVENBERG_MARQUARDT}, not for "
            f"--solver {name}"
        )
    X, y, weight = _part(prepared, prepared.train, network.spec.dtype)
    most = options.training.epochs or ITERATIONS
    with progress("solving", most, unit="iteration") as show:
        history: History
        if name == LEVENBERG_MARQUARDT:
            # The records of several starts interleave, so a bar could not show them.
            history = network.levenberg_marquardt(
                X, y, weight, max_iterations=most, frozen=options.training.frozen or (),
                callback=None if settings.get("n_starts", 1) != 1 else show, **settings,
            )  # fmt: skip
        else:
            history = network.minimize(
                X, y, name.replace("_", "-"), weight,
                max_iterations=most, tol=settings.pop("tol", None), options=settings, callback=show,
            )  # fmt: skip
    described = {"solver": str(solver), "iterations": str(len(history))}
    return history, described | ({"frozen": str(values["frozen"])} if values["frozen"] else {})


def _part(prepared: Prepared, rows: Array, dtype: str) -> tuple[Array, Array, Array | None]:
    """X, y and weights of some rows."""
    weight = None if prepared.weight is None else prepared.weight[rows]
    return prepared.X[rows].astype(dtype), narrow(prepared.y[rows]), weight
