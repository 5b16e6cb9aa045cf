"""Steps of one network on several ranks: each computes the gradient of its own rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from ffnn_fast import reference
from ffnn_fast._model.dropout_masks import GAMMA
from ffnn_fast._model.samples import Samples
from ffnn_fast._runtime.bound_network import BoundNetwork, aligned_empty
from ffnn_fast._training.fit_request import FitRequest
from ffnn_fast._training.ranks import Ranks, pairwise
from ffnn_fast.optimizers import StepRule

Array = np.ndarray
MOST_SEED = 2**63


@dataclass(frozen=True)
class DistributedNetwork(BoundNetwork):
    """A network whose steps are made by several ranks together, the same on each.

    The batch of a step is made of rows of all ranks, ``order`` holds numbers among all rows, and
    each rank has the samples of its own. A rank with n_r of the B rows of a batch computes the mean
    objective ℒ_r of those, penalty included, and

    ``∇ℒ = Σ_r (n_r / B) ∇ℒ_r``

    is the gradient of the mean over the batch, however uneven the n_r are; a rank without rows adds
    nothing. The update of θ is that of one process.
    """

    ranks: Ranks = field(kw_only=True)
    scratch: list[Array] = field(default_factory=list, init=False, repr=False)

    @classmethod
    def of(cls, bound: BoundNetwork, ranks: Ranks) -> DistributedNetwork:
        """The same network, on the same θ."""
        given = {part.name: getattr(bound, part.name) for part in fields(bound) if part.init}
        ranks.share_sums(len(bound.params), bound.spec.dtype)
        return cls(**given, ranks=ranks)

    def take_workspace(self, n: int) -> Array:
        """No scratch for whole batches: a rank has a part of them, for which it keeps its own."""
        return aligned_empty(0, self.spec.dtype)

    def _scratch_of(self, n: int) -> Array:
        """Scratch for pieces of n rows, the same in every step until a larger piece comes."""
        needed = self.backend.workspace_size(self.plan, n)
        if not self.scratch or len(self.scratch[0]) < needed:
            self.scratch[:] = [aligned_empty(needed, self.spec.dtype)]
        return self.scratch[0]

    def steps_in(self, seconds: float, rule: StepRule, batch_size: int) -> int:
        """As `BoundNetwork.steps_in`, of the first rank; more steps of several ranks, which take
        less time, unless other sums of losses would round otherwise.
        """
        ranks = self.ranks
        at_once = ranks.size if ranks.options.reduction == "fast" else 1
        return ranks.from_first(super().steps_in(at_once * seconds, rule, batch_size))

    def train(
        self,
        samples: Samples,
        order: Array,
        batch_size: int,
        rule: StepRule,
        hyper: Array,
        state: Array,
        t: int,
        work: Array,
        hold: Callable[[], None] = lambda: None,
    ) -> float:
        """As `BoundNetwork.train`, by all ranks."""
        hold()  # an interrupt between two calls of MPI would leave the other ranks waiting
        compiled = self.compiled and rule.optimizer.compiled
        plan = self.plan if compiled else reference.Plan(self.spec)
        update = self.backend.update if compiled else reference.update
        H, ranks, losses = len(rule.optimizer.hyper), self.ranks, np.zeros(0)
        for step, start in enumerate(range(0, len(order), batch_size)):
            rows = order[start : start + batch_size]
            t += 1
            row = hyper[min(step, len(hyper) - 1)]
            grads, of_step = self._gradients(samples, rows, rule.seed, (t, *row[H:].tolist()))
            losses = of_step if not len(losses) else losses + of_step
            loss = float(pairwise(list(losses[:, None].copy()))[0])
            update(plan, rule, row[:H], self.params, ranks.total(grads, loss), state, t)
            if t % ranks.options.check_every == 0:
                ranks.check_params(self.params, t)
        return ranks.total_loss(losses.tolist()) / len(order)

    def _gradients(
        self, samples: Samples, rows: Array, seed: int, mask: tuple[Any, ...]
    ) -> tuple[list[Array], Array]:
        """∇ℒ_p n_p / B of this rank's pieces p of a batch, and n_p ℒ_p.

        Masks of dropout are counted by rows of a piece, so each piece has a seed of its own. The
        gradients of slices are added here already.
        """
        ranks, spec = self.ranks, self.spec
        pieces = ranks.pieces(rows)
        adds = ranks.options.reduction == "fast"
        grads: list[Array] = []
        losses = np.zeros(len(pieces))
        for i, piece in enumerate(pieces):
            if ranks.shared is not None and not i:
                grad = ranks.shared.own
            else:
                grad = aligned_empty(len(self.params), spec.dtype)
            if len(piece):
                own_seed = (seed + (ranks.rank * len(pieces) + i) * GAMMA) % MOST_SEED
                given: Any = (own_seed, *mask) if any(spec.dropout_rates) else None
                part = replace(samples, order=piece)
                loss, _ = self.loss_gradient(part, grad, given, self._scratch_of(len(piece)))
                losses[i] = len(piece) * loss
                grad *= grad.dtype.type(len(piece) / len(rows))
            else:
                grad[:] = 0
            if adds and grads:
                grads[0] += grad
            else:
                grads.append(grad)
        return grads, losses


def refuse_options(request: FitRequest) -> None:
    """ValueError for options of a fit that ranks do not share."""
    refused = {
        "validation_fraction": (bool(request.validation_fraction), "give validation_data"),
        "rows": (request.rows is not None, "give X and y of those rows"),
        "validation_rows": (request.validation_rows is not None, "give validation_data"),
        "derivatives": (request.derivatives is not None, "leave them out"),
        "diagnostics": (bool(request.diagnostics), "leave them out"),
        "on_interrupt='return'": (request.on_interrupt == "return", "an interrupt ends all ranks"),
    }
    for name, (given, advice) in refused.items():
        if given:
            raise ValueError(f"fit(comm=...) does not take {name}: {advice}")
