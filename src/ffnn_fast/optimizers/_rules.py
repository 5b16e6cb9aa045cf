"""The update rules of the optimizers, on the flat vector θ with one step counter t.

To add a rule, subclass `Optimizer`: a frozen dataclass with a method `rule` in NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cache, cached_property
from typing import Any, ClassVar

import numpy as np

from ffnn_fast._names import hints_keywords, known_name, unknown
from ffnn_fast._public import public
from ffnn_fast._scalars import as_float, as_int, convert_fields

Array = np.ndarray
Hyper = tuple[float, ...]


def _number(default: float, low: float, high: float, closed: str = "neither") -> Any:
    """A hyperparameter between two bounds; `closed` as for `as_float`."""
    return field(default=default, metadata={"bounds": (low, high, closed)})


def _positive(default: float) -> Any:
    return _number(default, 0.0, np.inf)


def _fraction(default: float) -> Any:
    return _number(default, 0.0, 1.0, "left")


@cache
def _field_names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(part.name for part in fields(kind))


@public("ffnn_fast.optimizers")
@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """Base class of the update rules θ_t := rule(θ_{t-1}, ∇θ).

    Parameters
    ----------
    learning_rate : float, default 0.01
        Step size; finite and > 0.

    Attributes
    ----------
    name : str
        The name by which `as_optimizer` and files refer to it.
    slots : int
        Number of state vectors, of length P each; they start at zero.

    Raises
    ------
    TypeError, ValueError
        If a hyperparameter is not a number or is out of its bounds, or `slots` is not an
        integer >= 0.

    Examples
    --------
    A user-defined rule that steps by the sign of the gradient:

    >>> from dataclasses import dataclass
    >>> import numpy as np
    >>> from ffnn_fast.optimizers import Optimizer
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Sign(Optimizer):
    ...     name = "sign"
    ...     def rule(self, hyper, params, grad, state, t):
    ...         (learning_rate,) = hyper
    ...         params -= learning_rate * np.sign(grad)
    >>> Sign(learning_rate=0.5).hyper
    (0.5,)
    """

    learning_rate: float = _positive(0.01)
    name: ClassVar[str] = ""
    slots: ClassVar[int] = 0

    def __post_init__(self) -> None:
        for part in fields(self):
            if "bounds" in part.metadata:
                low, high, closed = part.metadata["bounds"]
                convert_fields(self, as_float, part.name, low=low, high=high, closed=closed)
        as_int(self.slots, f"{type(self).__name__}.slots", low=0)

    @cached_property
    def hyper(self) -> Hyper:
        """The values of the fields, in their order; the learning rate is entry 0."""
        names = _field_names(type(self))  # type: ignore[arg-type]  # mypy: no Hashable
        return tuple(float(getattr(self, name)) for name in names)

    @cached_property
    def compiled(self) -> bool:
        """Whether the compiled engine has this rule: the classes in `OPTIMIZERS`, no subclass."""
        return type(self) is OPTIMIZERS.get(self.name)

    def rule(self, hyper: Array, params: Array, grad: Array, state: Array, t: int) -> None:
        """One step, in place.

        Parameters
        ----------
        hyper : sequence of float
            Values to use instead of this object's own; laid out like `hyper`.
        params, grad : array of shape (n,)
            θ and ∇θ of the entries that move. `grad` is only read.
        state : array of shape (slots, n)
        t : int
            Number of the step, from 1.
        """
        raise NotImplementedError(f"{type(self).__name__} has no rule")


@public("ffnn_fast.optimizers")
@dataclass(frozen=True, kw_only=True)
class SGD(Optimizer):
    """Gradient descent, on a batch or on all the data (lecture module 4.2).

    * ``params := params - learning_rate * grad``

    Parameters
    ----------
    learning_rate : float, default 0.1
        Step size η; finite and > 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number, or lies outside of its bounds.
    """

    learning_rate: float = _positive(0.1)
    name: ClassVar[str] = "sgd"

    def rule(self, hyper: Array, params: Array, grad: Array, state: Array, t: int) -> None:
        """One step; see the class."""
        (learning_rate,) = map(float, hyper)
        params -= learning_rate * grad


@public("ffnn_fast.optimizers")
@dataclass(frozen=True, kw_only=True)
class Momentum(Optimizer):
    """Gradient descent with momentum, the heavy-ball method (Polyak, 1964).

    * ``v := momentum * v + grad``
    * ``params := params - learning_rate * v``

    ``torch.optim.SGD(momentum=...)`` without dampening: the learning rate is not part of v, so a
    change of it takes effect in the same step.

    Parameters
    ----------
    learning_rate : float, default 0.01
        Step size η; finite and > 0.
    momentum : float, default 0.9
        Share of v that the next step keeps; in [0, 1).

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number, or lies outside of its bounds.
    """

    learning_rate: float = _positive(0.01)
    momentum: float = _fraction(0.9)
    name: ClassVar[str] = "momentum"
    slots: ClassVar[int] = 1

    def rule(self, hyper: Array, params: Array, grad: Array, state: Array, t: int) -> None:
        """One step; see the class."""
        learning_rate, momentum = map(float, hyper)
        (v,) = state
        v *= momentum
        v += grad
        params -= learning_rate * v


@public("ffnn_fast.optimizers")
@dataclass(frozen=True, kw_only=True)
class Nesterov(Optimizer):
    """Nesterov's accelerated gradient, with ∇θ taken at θ itself (Sutskever et al., 2013).

    * ``v := momentum * v + grad``
    * ``params := params - learning_rate * (grad + momentum * v)``

    ``torch.optim.SGD(momentum=..., nesterov=True)``.

    Parameters
    ----------
    learning_rate : float, default 0.01
        Step size η; finite and > 0.
    momentum : float, default 0.9
        Share of v that the next step keeps; in [0, 1).

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number, or lies outside of its bounds.
    """

    learning_rate: float = _positive(0.01)
    momentum: float = _fraction(0.9)
    name: ClassVar[str] = "nesterov"
    slots: ClassVar[int] = 1

    def rule(self, hyper: Array, params: Array, grad: Array, state: Array, t: int) -> None:
        """One step; see the class."""
        learning_rate, momentum = map(float, hyper)
        (v,) = state
        v *= momentum
        v += grad
        params -= learning_rate * (grad + momentum * v)


@public("ffnn_fast.optimizers")
@dataclass(frozen=True, kw_only=True)
class AdaGrad(Optimizer):
    """Steps divided by the root of the sum of squared gradients (Duchi, Hazan, Singer, 2011).

    * ``s := s + grad**2``
    * ``params := params - learning_rate * grad / (sqrt(s) + epsilon)``

    ``torch.optim.Adagrad`` without decay of the rate; epsilon is added outside the root. A gradient
    above 1.8e19 makes s infinite in float32, and its entry moves no more, as in PyTorch.

    Parameters
    ----------
    learning_rate : float, default 0.01
        Step size η; finite and > 0.
    epsilon : float, default 1e-10
        Added to the root of s, so that a step is finite where it is 0; finite and > 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number, or lies outside of its bounds.
    """

    learning_rate: float = _positive(0.01)
    epsilon: float = _positive(1e-10)
    name: ClassVar[str] = "adagrad"
    slots: ClassVar[int] = 1

    def rule(self, hyper: Array, params: Array, grad: Array, state: Array, t: int) -> None:
        """One step; see the class."""
        learning_rate, epsilon = map(float, hyper)
        (s,) = state
        s += grad * grad
        params -= learning_rate * grad / (np.sqrt(s) + epsilon)


@public("ffnn_fast.optimizers")
@dataclass(frozen=True, kw_only=True)
class RMSprop(Optimizer):
    """Steps divided by the root of a moving mean of squared gradients (Tieleman, Hinton, 2012).

    * ``s := rho * s + (1 - rho) * grad**2``
    * ``v := momentum * v + grad / (sqrt(s) + epsilon)``
    * ``params := params - learning_rate * v``

    ``torch.optim.RMSprop`` (rho is its ``alpha``), not centred; s is not corrected for its start at
    zero; epsilon is added outside the root. v is stored only if momentum > 0.

    Parameters
    ----------
    learning_rate : float, default 0.01
        Step size η; finite and > 0.
    rho : float, default 0.99
        Share of the past in s, the moving mean of squares; in [0, 1).
    momentum : float, default 0.0
        Share of v that the next step keeps; 0 keeps no v; in [0, 1).
    epsilon : float, default 1e-8
        Added to the root of s, so that a step is finite where it is 0; finite and > 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number, or lies outside of its bounds.
    """

    learning_rate: float = _positive(0.01)
    rho: float = _fraction(0.99)
    momentum: float = _fraction(0.0)
    epsilon: float = _positive(1e-8)
    name: ClassVar[str] = "rmsprop"

    @property
    def slots(self) -> int:  # type: ignore[override]
        """Number of state vectors: s, and v if momentum > 0."""
        return 2 if self.momentum > 0 else 1

    def rule(self, hyper: Array, params: Array, grad: Array, state: Array, t: int) -> None:
        """One step; see the class."""
        learning_rate, rho, momentum, epsilon = map(float, hyper)
        s = state[0]
        s += (1 - rho) * (grad * grad - s)
        scaled = grad / (np.sqrt(s) + epsilon)
        if len(state) > 1:
            v = state[1]
            v *= momentum
            v += scaled
            scaled = v
        params -= learning_rate * scaled


@public("ffnn_fast.optimizers")
@dataclass(frozen=True, kw_only=True)
class AdaDelta(Optimizer):
    """AdaGrad with moving means, in units of θ (Zeiler, 2012, arXiv:1212.5701).

    * ``s := rho * s + (1 - rho) * grad**2``
    * ``d := sqrt(u + epsilon) / sqrt(s + epsilon) * grad``
    * ``u := rho * u + (1 - rho) * d**2``
    * ``params := params - learning_rate * d``

    ``torch.optim.Adadelta``; epsilon is added inside the roots. It determines the size of the first
    steps: about ``sqrt(epsilon / (1 - rho))``.

    Parameters
    ----------
    learning_rate : float, default 1.0
        Factor of d, which has the units of θ already; finite and > 0. The paper has no such factor.
    rho : float, default 0.9
        Share of the past in s and u, the moving means of squares; in [0, 1).
    epsilon : float, default 1e-6
        Added to s and u under their roots; finite and > 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number, or lies outside of its bounds.
    """

    learning_rate: float = _positive(1.0)
    rho: float = _fraction(0.9)
    epsilon: float = _positive(1e-6)
    name: ClassVar[str] = "adadelta"
    slots: ClassVar[int] = 2

    def rule(self, hyper: Array, params: Array, grad: Array, state: Array, t: int) -> None:
        """One step; see the class."""
        learning_rate, rho, epsilon = map(float, hyper)
        s, u = state
        s += (1 - rho) * (grad * grad - s)
        d = np.sqrt(u + epsilon) / np.sqrt(s + epsilon) * grad
        u += (1 - rho) * (d * d - u)
        params -= learning_rate * d


@public("ffnn_fast.optimizers")
@dataclass(frozen=True, kw_only=True)
class Adam(Optimizer):
    """Moving means of the gradient and of its square (Kingma, Ba, 2015).

    * ``m := beta_1 * m + (1 - beta_1) * grad``
    * ``v := beta_2 * v + (1 - beta_2) * grad**2``
    * ``m_hat := m / (1 - beta_1**t)`` and ``v_hat := v / (1 - beta_2**t)``
    * ``params := params - learning_rate * m_hat / (sqrt(v_hat) + epsilon)``

    ``torch.optim.Adam``: both means are corrected for their start at zero; epsilon is added to the
    corrected root ("Algorithm 1" of the paper, not its "epsilon hat").

    The square of a gradient above 1.8e19 is infinite in float32, and so is v. Then the entry stays
    as it is in that step, and the next step ends with a `DivergedWarning`; in PyTorch, from
    gradients of 5.8e20 on, the entry never moves again and nothing is reported. Scale the targets,
    or set `clip_value`. This holds for all rules with means of squared gradients.

    Parameters
    ----------
    learning_rate : float, default 0.001
        Step size η; finite and > 0.
    beta_1 : float, default 0.9
        Share of the past in m, the moving mean of ∇θ; in [0, 1).
    beta_2 : float, default 0.999
        Share of the past in v, the moving mean of its square; in [0, 1).
    epsilon : float, default 1e-8
        Added to the root of v_hat, so that a step is finite where it is 0; finite and > 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number, or lies outside of its bounds.
    """

    learning_rate: float = _positive(0.001)
    beta_1: float = _fraction(0.9)
    beta_2: float = _fraction(0.999)
    epsilon: float = _positive(1e-8)
    name: ClassVar[str] = "adam"
    slots: ClassVar[int] = 2

    def rule(self, hyper: Array, params: Array, grad: Array, state: Array, t: int) -> None:
        """One step; see the class."""
        learning_rate, beta_1, beta_2, epsilon = map(float, hyper)
        m, root = _moments(state, grad, beta_1, beta_2, t)
        params -= learning_rate / (1 - beta_1**t) * m / (root + epsilon)


@public("ffnn_fast.optimizers")
@dataclass(frozen=True, kw_only=True)
class NAdam(Optimizer):
    """Adam with Nesterov momentum (Dozat, 2016).

    * ``mu_i := beta_1 * (1 - 0.96**(i * momentum_decay) / 2)`` and ``pi_t := mu_1 * ... * mu_t``
    * m, v and v_hat as in `Adam`
    * ``m_hat := mu_(t+1) * m / (1 - pi_(t+1)) + (1 - mu_t) * grad / (1 - pi_t)``
    * ``params := params - learning_rate * m_hat / (sqrt(v_hat) + epsilon)``

    ``torch.optim.NAdam``; the products pi are those of the current hyperparameters.

    Parameters
    ----------
    learning_rate : float, default 0.002
        Step size η; finite and > 0.
    beta_1 : float, default 0.9
        Share of the past in m, the moving mean of ∇θ; in [0, 1).
    beta_2 : float, default 0.999
        Share of the past in v, the moving mean of its square; in [0, 1).
    epsilon : float, default 1e-8
        Added to the root of v_hat, so that a step is finite where it is 0; finite and > 0.
    momentum_decay : float, default 0.004
        Rate at which mu grows from beta_1 / 2 to beta_1; finite and >= 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number, or lies outside of its bounds.
    """

    learning_rate: float = _positive(0.002)
    beta_1: float = _fraction(0.9)
    beta_2: float = _fraction(0.999)
    epsilon: float = _positive(1e-8)
    momentum_decay: float = _number(0.004, 0.0, np.inf, "left")
    name: ClassVar[str] = "nadam"
    slots: ClassVar[int] = 2

    def rule(self, hyper: Array, params: Array, grad: Array, state: Array, t: int) -> None:
        """One step; see the class."""
        learning_rate, beta_1, beta_2, epsilon, decay = map(float, hyper)
        m, root = _moments(state, grad, beta_1, beta_2, t)
        product, i = 1.0, 0
        while i < t and product > 1e-17:  # below that, 1 - product is 1
            i += 1
            product *= beta_1 * (1 - 0.5 * 0.96 ** (i * decay))
        mu, following = (beta_1 * (1 - 0.5 * 0.96 ** (j * decay)) for j in (t, t + 1))
        m_hat = following / (1 - product * following) * m + (1 - mu) / (1 - product) * grad
        params -= learning_rate * m_hat / (root + epsilon)


@public("ffnn_fast.optimizers")
@dataclass(frozen=True, kw_only=True)
class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov, Hutter, 2019).

    * ``params := params - learning_rate * weight_decay * params``
    * then as `Adam`

    ``torch.optim.AdamW``: all of θ decays, biases too. The decay is not part of the objective;
    the `l2` of a network is.

    Parameters
    ----------
    learning_rate : float, default 0.001
        Step size η; finite and > 0.
    beta_1 : float, default 0.9
        Share of the past in m, the moving mean of ∇θ; in [0, 1).
    beta_2 : float, default 0.999
        Share of the past in v, the moving mean of its square; in [0, 1).
    epsilon : float, default 1e-8
        Added to the root of v_hat, so that a step is finite where it is 0; finite and > 0.
    weight_decay : float, default 0.01
        Share of θ, times the learning rate, by which θ shrinks in each step; finite and >= 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number, or lies outside of its bounds.
    """

    learning_rate: float = _positive(0.001)
    beta_1: float = _fraction(0.9)
    beta_2: float = _fraction(0.999)
    epsilon: float = _positive(1e-8)
    weight_decay: float = _number(0.01, 0.0, np.inf, "left")
    name: ClassVar[str] = "adamw"
    slots: ClassVar[int] = 2

    def rule(self, hyper: Array, params: Array, grad: Array, state: Array, t: int) -> None:
        """One step; see the class."""
        learning_rate, beta_1, beta_2, epsilon, weight_decay = map(float, hyper)
        m, root = _moments(state, grad, beta_1, beta_2, t)
        params *= 1 - learning_rate * weight_decay
        params -= learning_rate / (1 - beta_1**t) * m / (root + epsilon)


@public("ffnn_fast.optimizers")
@dataclass(frozen=True, kw_only=True)
class AdaMax(Optimizer):
    """Adam with the largest recent gradient in place of the root (Kingma, Ba, 2015, section 7.1).

    * m as in `Adam`
    * ``u := max(beta_2 * u, abs(grad) + epsilon)``
    * ``params := params - learning_rate / (1 - beta_1**t) * m / u``

    ``torch.optim.Adamax``: the paper has no epsilon. With the default betas an entry moves by no
    more than about the learning rate in a step; with beta_2 < beta_1 there is no such bound.

    Parameters
    ----------
    learning_rate : float, default 0.002
        Step size η; finite and > 0.
    beta_1 : float, default 0.9
        Share of the past in m, the moving mean of ∇θ; in [0, 1).
    beta_2 : float, default 0.999
        Factor by which u falls from step to step; in [0, 1).
    epsilon : float, default 1e-8
        Added to ``abs(grad)``, so that a step is finite where it is 0; finite and > 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number, or lies outside of its bounds.
    """

    learning_rate: float = _positive(0.002)
    beta_1: float = _fraction(0.9)
    beta_2: float = _fraction(0.999)
    epsilon: float = _positive(1e-8)
    name: ClassVar[str] = "adamax"
    slots: ClassVar[int] = 2

    def rule(self, hyper: Array, params: Array, grad: Array, state: Array, t: int) -> None:
        """One step; see the class."""
        learning_rate, beta_1, beta_2, epsilon = map(float, hyper)
        m, u = state
        m += (1 - beta_1) * (grad - m)
        np.maximum(beta_2 * u, np.abs(grad) + epsilon, out=u)
        params -= learning_rate / (1 - beta_1**t) * m / u


@public("ffnn_fast.optimizers")
@dataclass(frozen=True, kw_only=True)
class AMSGrad(Optimizer):
    """Adam with the largest v so far (Reddi, Kale, Kumar, 2018).

    * m, v and m_hat as in `Adam`
    * ``most := max(most, v)``
    * ``v_hat := most / (1 - beta_2**t)``
    * ``params := params - learning_rate * m_hat / (sqrt(v_hat) + epsilon)``

    ``torch.optim.Adam(amsgrad=True)``: both means are corrected for their start at zero, which the
    paper does not do, and the largest v is taken before the correction.

    Parameters
    ----------
    learning_rate : float, default 0.001
        Step size η; finite and > 0.
    beta_1 : float, default 0.9
        Share of the past in m, the moving mean of ∇θ; in [0, 1).
    beta_2 : float, default 0.999
        Share of the past in v, the moving mean of its square; in [0, 1).
    epsilon : float, default 1e-8
        Added to the root of v_hat, so that a step is finite where it is 0; finite and > 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number, or lies outside of its bounds.
    """

    learning_rate: float = _positive(0.001)
    beta_1: float = _fraction(0.9)
    beta_2: float = _fraction(0.999)
    epsilon: float = _positive(1e-8)
    name: ClassVar[str] = "amsgrad"
    slots: ClassVar[int] = 3

    def rule(self, hyper: Array, params: Array, grad: Array, state: Array, t: int) -> None:
        """One step; see the class."""
        learning_rate, beta_1, beta_2, epsilon = map(float, hyper)
        _moments(state[:2], grad, beta_1, beta_2, t)
        m, v, most = state
        np.maximum(most, v, out=most)
        root = np.sqrt(most) / (1 - beta_2**t) ** 0.5
        params -= learning_rate / (1 - beta_1**t) * m / (root + epsilon)


@public("ffnn_fast.optimizers")
@dataclass(frozen=True, kw_only=True)
class RAdam(Optimizer):
    """Adam whose first steps, while v is uncertain, are rectified (Liu et al., 2020).

    * m, v and m_hat as in `Adam`
    * ``rho_inf := 2 / (1 - beta_2) - 1``
    * ``rho := rho_inf - 2 * t * beta_2**t / (1 - beta_2**t)``
    * while rho <= 5: ``params := params - learning_rate * m_hat``
    * then ``r**2 := (rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)``,
      ``root := (sqrt(v) + epsilon) / sqrt(1 - beta_2**t)`` and
      ``params := params - learning_rate * r * m_hat / root``

    ``torch.optim.RAdam``: the bound is 5 where the paper has 4, and epsilon is added to the root
    before its correction, unlike in `Adam`. With the defaults the first 5 steps are those of
    momentum; with beta_2 <= 2/3 all are.

    Parameters
    ----------
    learning_rate : float, default 0.001
        Step size η; finite and > 0.
    beta_1 : float, default 0.9
        Share of the past in m, the moving mean of ∇θ; in [0, 1).
    beta_2 : float, default 0.999
        Share of the past in v, the moving mean of its square; in [0, 1).
    epsilon : float, default 1e-8
        Added to the root of v, so that a step is finite where it is 0; finite and > 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number, or lies outside of its bounds.
    """

    learning_rate: float = _positive(0.001)
    beta_1: float = _fraction(0.9)
    beta_2: float = _fraction(0.999)
    epsilon: float = _positive(1e-8)
    name: ClassVar[str] = "radam"
    slots: ClassVar[int] = 2

    def rule(self, hyper: Array, params: Array, grad: Array, state: Array, t: int) -> None:
        """One step; see the class."""
        learning_rate, beta_1, beta_2, epsilon = map(float, hyper)
        m, root = _moments(state, grad, beta_1, beta_2, t)
        step = learning_rate / (1 - beta_1**t)
        rho_inf = 2 / (1 - beta_2) - 1
        rho = rho_inf - 2 * t * beta_2**t / (1 - beta_2**t)
        if rho <= 5:
            params -= step * m
            return
        r = (rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)
        params -= step * r**0.5 * m / (root + epsilon / (1 - beta_2**t) ** 0.5)


@public("ffnn_fast.optimizers")
@dataclass(frozen=True, kw_only=True)
class Rprop(Optimizer):
    """Steps by the sign of ∇θ, with a step size for each entry (Riedmiller, Braun, 1993).

    Use it with all rows in one batch; between small batches signs change by chance.

    * ``size := clip(size * eta_plus, ...)`` where grad kept its sign,
      ``clip(size * eta_minus, ...)`` where it changed, within ``step_min .. step_max``
    * where the sign changed, ``grad := 0``: no step now, and no comparison in the next step
    * ``params := params - sign(grad) * size``

    ``torch.optim.Rprop`` (iRprop−, without weight backtracking). The learning rate is the first
    size, and has no effect later.

    Parameters
    ----------
    learning_rate : float, default 0.01
        Size of the first step of each entry; finite and > 0.
    eta_minus : float, default 0.5
        Factor of the size where the sign changed; in (0, 1).
    eta_plus : float, default 1.2
        Factor of the size where the sign stayed; finite and > 1.
    step_min, step_max : float, default 1e-6 and 50.0
        Bounds of the size, in units of θ; finite and > 0, step_min <= step_max.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a number, or lies outside of its bounds, or if step_min is above
        step_max.
    """

    learning_rate: float = _positive(0.01)
    eta_minus: float = _number(0.5, 0.0, 1.0)
    eta_plus: float = _number(1.2, 1.0, np.inf)
    step_min: float = _positive(1e-6)
    step_max: float = _positive(50.0)
    name: ClassVar[str] = "rprop"
    slots: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.step_min > self.step_max:
            raise ValueError(f"step_min {self.step_min:g} is above step_max {self.step_max:g}")

    def rule(self, hyper: Array, params: Array, grad: Array, state: Array, t: int) -> None:
        """One step; see the class."""
        learning_rate, eta_minus, eta_plus, step_min, step_max = map(float, hyper)
        previous, size = state
        size[size == 0] = learning_rate  # before the first step
        kept = grad * previous
        size *= np.select([kept > 0, kept < 0], [eta_plus, eta_minus], 1.0).astype(size.dtype)
        np.clip(size, step_min, step_max, out=size)
        previous[...] = np.where(kept < 0, 0, grad)
        params -= np.sign(previous) * size


def _moments(
    state: Array, grad: Array, beta_1: float, beta_2: float, t: int
) -> tuple[Array, Array]:
    """Adam's m, and sqrt(v / (1 - beta_2**t)), after this gradient."""
    m, v = state
    m += (1 - beta_1) * (grad - m)
    v += (1 - beta_2) * (grad * grad - v)
    return m, np.sqrt(v) / (1 - beta_2**t) ** 0.5


OPTIMIZERS: dict[str, type[Optimizer]] = {
    rule.name: rule
    for rule in (
        *(SGD, Momentum, Nesterov, AdaGrad, AdaDelta, RMSprop),
        *(Adam, NAdam, AdamW, AdaMax, AMSGrad, RAdam, Rprop),
    )
}
for _rule in OPTIMIZERS.values():
    hints_keywords(_rule)


def as_optimizer(value: Any, learning_rate: float | None = None) -> Optimizer:
    """Convert a name or a class to an optimizer.

    Parameters
    ----------
    value : str, Optimizer or subclass of Optimizer
        Names are the keys of `OPTIMIZERS`.
    learning_rate : float, optional
        For a name or a class; default: that of the class. An object has one already.

    Raises
    ------
    TypeError, ValueError
        If `value` is none of these, or a learning rate is given with an object.
    """
    given = {} if learning_rate is None else {"learning_rate": learning_rate}
    if isinstance(value, Optimizer):
        if given:
            raise ValueError(
                f"learning_rate is given twice: {learning_rate} and in {value!r}; "
                "leave one of them out"
            )
        return value
    if isinstance(value, str):
        name = known_name(value, OPTIMIZERS)
        if name not in OPTIMIZERS:
            raise ValueError(unknown("optimizer", value, OPTIMIZERS))
        value = OPTIMIZERS[name]
    if isinstance(value, type) and issubclass(value, Optimizer):
        return value(**given)
    raise TypeError(f"optimizer must be a name, an Optimizer or a class of them, got {value!r}")
