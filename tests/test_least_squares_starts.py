"""Levenberg-Marquardt from several starts, and its quasi-Newton steps."""

import pickle
import threading

import numpy as np
import pytest
from support.problems import random_params, random_problem, taught, twins

from ffnn_fast import Network, NetworkSpec
from ffnn_fast._solvers.least_squares import LeastSquares, Model
from ffnn_fast._solvers.quasi_newton import MEMORY, MOST, _Pairs, usual_steps
from ffnn_fast.engine import isa

pytestmark = pytest.mark.engine


def starts(rng, n_threads, n_starts=5, **given):
    """A network after a fit from several starts, and the fit."""
    X, y, _ = taught(120, rng, 1)
    net = Network([3, 6, 1], output="identity", dtype="float64", seed=6, n_threads=n_threads)
    return net, net.levenberg_marquardt(X, y, n_starts=n_starts, max_iterations=15, **given)


class TestStarts:
    @pytest.mark.parametrize("frozen", [(), (2,)])
    @pytest.mark.parametrize("matmul", ["own", "blas"])
    def test_same_bits_for_any_number_of_threads(self, frozen, matmul):
        fits = []
        for n_threads in (1, 2, 3):
            rng = np.random.default_rng(5)
            X, y, _ = taught(120, rng, 2)
            net = Network(
                [3, 6, 2], output="identity", seed=6, n_threads=n_threads, matmul=matmul,
                dtype="float64",
            )  # fmt: skip
            fit = net.levenberg_marquardt(X, y, n_starts=5, max_iterations=15, frozen=frozen)
            fits.append((net, fit))
        (first, alone), *rest = fits
        for net, fit in rest:
            assert fit.start == alone.start
            for name in ("objectives", "params"):
                np.testing.assert_array_equal(getattr(fit, name), getattr(alone, name))
            assert fit["loss"] == alone["loss"]
            np.testing.assert_array_equal(net.params, first.params)
            np.testing.assert_array_equal(fit.covariance(), alone.covariance())
            assert net.rng.bit_generator.state == first.rng.bit_generator.state

    def test_the_best_is_kept_and_the_first_is_the_network(self):
        net, fit = starts(np.random.default_rng(5), 2)
        single, alone = starts(np.random.default_rng(5), 2, n_starts=1)
        assert fit.objectives[0] == alone.objectives[0] == alone[-1]["loss"]
        assert (alone.start, "start" in alone[0]) == (1, False)
        assert fit[-1]["loss"] == fit.objectives.min() < alone[-1]["loss"]
        assert fit.start == fit.objectives.argmin() + 1 > 1
        assert set(fit["start"]) == {fit.start}
        np.testing.assert_array_equal(net.params, fit.params)
        assert len(set(fit.objectives)) == 5
        assert single.rng.bit_generator.state != net.rng.bit_generator.state

    def test_further_starts_are_drawn_by_the_initializer(self, rng):
        X, y, _ = taught(30, rng, 1)
        drawn = []

        def initializer(fan_out, fan_in, generator):
            drawn.append((fan_out, fan_in))
            return generator.normal(size=(fan_out, fan_in))

        net = Network([3, 2, 1], output="identity", initializer=initializer, seed=0)
        given = {"n_starts": 3, "max_iterations": 1}
        net.copy().levenberg_marquardt(X, y, **given)
        assert drawn == [(2, 3), (1, 2)] * 3
        pickle.loads(pickle.dumps(net)).levenberg_marquardt(X, y, **given)
        assert len(drawn) == 6
        zeros = Network([3, 2, 1], output="identity", initializer="zeros", seed=0)
        fit = pickle.loads(pickle.dumps(zeros)).levenberg_marquardt(X, y, **given)
        assert len(set(fit.objectives)) == 1
        assert fit.start == 1  # the first of equals

    def test_a_start_that_is_not_finite_is_left_out(self, rng):
        X, y, _ = taught(30, rng, 1)
        sizes = iter([1, 1, 1e200, 1e200, 1, 1])

        def initializer(fan_out, fan_in, generator):
            return next(sizes) * generator.normal(size=(fan_out, fan_in))

        net = Network(
            [3, 2, 1], output="exp", loss="squared_error", initializer=initializer, seed=0,
            dtype="float64",
        )  # fmt: skip
        with np.errstate(over="ignore"):
            fit = net.levenberg_marquardt(X, np.exp(y), n_starts=3, max_iterations=3)
        assert list(np.isfinite(fit.objectives)) == [True, False, True]
        assert fit.start in (1, 3)

    @pytest.mark.parametrize("n_threads", [1, 2])
    def test_callbacks(self, n_threads):
        seen, inside = [], threading.Lock()

        def callback(record):
            assert inside.acquire(blocking=False)
            seen.append((record["start"], record["epoch"]))
            inside.release()
            if record["epoch"] == 2:
                raise StopIteration

        _, fit = starts(np.random.default_rng(5), n_threads, callback=callback)
        assert sorted(seen) == [(k, epoch) for k in range(1, 6) for epoch in (1, 2)]
        assert fit.message == "the callback raised StopIteration"

    @pytest.mark.parametrize("n_threads", [1, 2])
    def test_an_interrupt_keeps_the_best_so_far(self, n_threads):
        rng, losses = np.random.default_rng(5), {}
        X, y, _ = taught(120, rng, 1)
        net = Network([3, 6, 1], output="identity", dtype="float64", seed=6, n_threads=n_threads)
        first, before = net.loss(X, y), set(threading.enumerate())

        def callback(record):
            losses.setdefault(record["start"], []).append(record["loss"])
            if record["start"] == 2 and record["epoch"] == 4:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            net.levenberg_marquardt(X, y, n_starts=4, callback=callback)
        left = net.params.copy()
        for thread in set(threading.enumerate()) - before:
            thread.join(10)
        np.testing.assert_array_equal(net.params, left)
        best = min(min(values) for values in losses.values())
        assert net.loss(X, y) <= best * (1 + 1e-12) < first

    def test_the_memory_limit_bounds_the_starts_that_run_together(self, monkeypatch):
        threads = set()
        move = Model.move

        def recorded(model, theta):
            threads.add(threading.get_ident())
            move(model, theta)

        monkeypatch.setattr(Model, "move", recorded)
        _, many = starts(np.random.default_rng(5), 3)
        assert len(threads) > 1
        threads.clear()
        P = many.params.size
        _, one = starts(np.random.default_rng(5), 3, memory_limit=2 * 8 * P**2)
        assert len(threads) == 1
        np.testing.assert_array_equal(one.objectives, many.objectives)


class TestQuasiNewtonSteps:
    def test_the_product_is_that_of_bfgs_updates(self, rng):
        """From (H + μI)⁻¹, by the dense formula B⁻¹ := (I − ρ s yᵀ) B⁻¹ (I − ρ y sᵀ) + ρ s sᵀ."""
        spec = NetworkSpec((2, 2, 1), output="identity", dtype="float64")
        bound, _ = twins(spec, random_params(spec, rng), isa.engine)
        model = Model(bound, LeastSquares(random_problem(spec, 20, rng)))
        model.move(bound.params)
        model.step(0.1)
        P = spec.n_params
        H = np.tril(model.H) + np.tril(model.H, -1).T
        inverse, pairs = np.linalg.inv(H + 0.1 * np.eye(P)), _Pairs(model)
        for _ in range(4):
            s = rng.normal(size=P)
            y = s + 0.3 * rng.normal(size=P)
            pairs.add(s, y)
            pairs.add(s, -y)  # without curvature: left out
            rho, eye = 1 / (y @ s), np.eye(P)
            inverse = (eye - rho * np.outer(s, y)) @ inverse @ (eye - rho * np.outer(y, s))
            inverse += rho * np.outer(s, s)
        g = rng.normal(size=P)
        np.testing.assert_allclose(pairs.direction(g), -inverse @ g, rtol=1e-9)
        for _ in range(2 * MEMORY):
            pairs.add(s, y)
        assert len(pairs._pairs) == MEMORY

    def test_their_number(self):
        assert [usual_steps(P, 1) for P in (13, 14, 281, 651)] == [0, 1, MOST, MOST]
        assert usual_steps(14, 3) == 3

    def test_large_residuals_unpenalised_wine(self, shared_data):
        """Where Gauss-Newton steps alone have reached 0.34 after 50 iterations, 0.29 after 2000."""
        table = np.loadtxt(shared_data / "wine-quality" / "winequality-red.csv", delimiter=",")
        table = (table - table.mean(axis=0)) / table.std(axis=0)
        X, y = table[:, :-1], table[:, -1]
        found = {}
        for steps in (0, None):
            net = Network([11, 20, 1], output="identity", seed=0)
            fit = net.levenberg_marquardt(X, y, max_iterations=30, quasi_newton_steps=steps)
            found[steps] = fit[-1]["loss"]
            assert (np.diff(fit["loss"]) <= 0).all()
        assert found[None] < 0.9 * found[0]
        assert found[None] < 0.32

    def test_fewer_iterations_to_the_same_minimum(self, rng):
        X, y, theta = taught(200, rng, 1)
        y += rng.normal(size=y.shape)
        nets = [Network([3, 2, 1], output="identity", dtype="float64") for _ in range(2)]
        for net in nets:
            net.params[:] = theta
        without, having = (
            net.levenberg_marquardt(X, y, tol=1e-12, quasi_newton_steps=steps)
            for net, steps in zip(nets, (0, 10), strict=True)
        )
        assert without.converged
        assert having.converged
        np.testing.assert_allclose(having.params, without.params, rtol=1e-4)
        assert len(having) < len(without)
