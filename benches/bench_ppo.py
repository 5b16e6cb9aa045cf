"""PPO on CartPole to a mean return of 475: the documentation's page beside stable-baselines3.

Every benchmark trains from the start, with a seed of its own, until the mean return of the last 100
episodes is at least 475, at which CartPole-v1 counts as solved. The times are of CPU, of one
thread, with the environments. A line for each shows the steps of the environments until then, how
many a second, and the mean return of 100 new episodes with the more probable action, on the page's
environment in all cases. Without stable-baselines3 only the page is measured; the others are
skipped, with this reason in ``pytest -rs``.
"""

import re
import time
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

PAGE = Path(__file__).parents[1] / "docs" / "howto" / "reinforcement-learning.md"
GOAL, EPISODES, SEEDS = 475, 100, 5
MOST_STEPS = 400_000
SEEDED = re.compile(r"(default_rng\(|seed=)([01])\)")  # of the environments, actor and critic


def page_of(seed):
    """The names that the page's blocks define, up to the loop itself."""
    text = PAGE.read_text("utf-8").partition("## DDPG")[0]
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    loop = next(i for i, block in enumerate(blocks) if block.startswith("for k in range"))
    code = "\n".join(blocks[:loop])
    code, found = SEEDED.subn(lambda m: f"{m[1]}{2 * seed + int(m[2])})", code)
    assert found == 3, "the page has other seeds than those of its environments and networks"
    names = {}
    exec(compile(code, str(PAGE), "exec"), names)
    return names


class Page:
    """The page's agent and its loop, which stops at the goal."""

    def __init__(self, seed):
        self.page, self.steps = page_of(seed), 0

    def run(self):
        page = self.page
        steppers = page["actor_stepper"], page["critic_stepper"]
        for k in range(page["iterations"]):
            for stepper in steppers:
                stepper.learning_rate = page["rate"] * (1 - k / page["iterations"])
            S, action, p_old, after, failed, ended = page["collect"]()
            A, target = page["advantages"](S, after, failed, ended)
            rows = S.reshape(-1, 4), action.ravel(), p_old.ravel(), A.ravel(), target.reshape(-1, 1)
            for _ in range(4):
                page["update"](*rows)
            self.steps += action.size
            if np.mean(page["carts"].returns[-EPISODES:]) >= GOAL:
                return

    def act(self, states):
        return self.page["actor"].predict(states)


class StableBaselines:
    """`PPO` of stable-baselines3; the linear rates fall to 0 over `total` steps."""

    total = MOST_STEPS
    n_envs, options = 1, MappingProxyType({})  # its defaults

    def __init__(self, seed):
        torch = pytest.importorskip("torch")
        ppo = pytest.importorskip("stable_baselines3")
        from stable_baselines3.common.env_util import make_vec_env

        torch.set_num_threads(1)
        envs = make_vec_env("CartPole-v1", self.n_envs, seed=seed)
        self.model = ppo.PPO("MlpPolicy", envs, seed=seed, device="cpu", **self.options)

    @property
    def steps(self):
        return self.model.num_timesteps

    def run(self):
        from stable_baselines3.common.callbacks import BaseCallback

        class Goal(BaseCallback):
            """Stops after the update of the rollout that reaches the goal."""

            def _on_step(self):
                return not self.reached

            def _on_training_start(self):
                self.reached = False

            def _on_rollout_start(self):
                known = [episode["r"] for episode in self.model.ep_info_buffer]
                self.reached = len(known) == EPISODES and np.mean(known) >= GOAL

        self.model.learn(self.total, Goal())

    def act(self, states):
        return self.model.predict(states.astype(np.float32), deterministic=True)[0]


class Tuned(StableBaselines):
    """The settings for CartPole-v1 of rl-baselines3-zoo."""

    n_envs, total = 8, 100_000
    options = MappingProxyType(
        {
            "n_steps": 32,
            "batch_size": 256,
            "gae_lambda": 0.8,
            "gamma": 0.98,
            "n_epochs": 20,
            "learning_rate": lambda left: 0.001 * left,
            "clip_range": lambda left: 0.2 * left,
        }
    )


class SameSettings(StableBaselines):
    """The settings of the page."""

    n_envs, total = 32, 60 * 64 * 32
    options = MappingProxyType(
        {
            "n_steps": 64,
            "batch_size": 256,
            "n_epochs": 4,
            "ent_coef": 0.01,
            "learning_rate": lambda left: 0.01 * left,
            "policy_kwargs": {"net_arch": [32, 32]},
        }
    )


WAYS = {
    "the page": Page,
    "stable-baselines3, its defaults": StableBaselines,
    "stable-baselines3, tuned": Tuned,
    "stable-baselines3, the page's settings": SameSettings,
}


def greedy_return(agent):
    """The mean return of new episodes with the more probable action."""
    test = page_of(0)["CartPoles"](EPISODES, np.random.default_rng(1))
    alive, steps = np.ones(EPISODES, bool), 0
    for _ in range(500):
        steps += alive.sum()
        alive &= ~test.step(agent.act(test.state))[1]
    return steps / EPISODES


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.benchmark(timer=time.process_time, group=f"PPO on CartPole to a return of {GOAL}")
def test_ppo(benchmark, way, seed, capsys):
    if way != "the page":
        for package in ("stable_baselines3", "gymnasium"):
            pytest.importorskip(package, reason=f"not compared with {way}: it is not installed")
    agent = WAYS[way](seed)
    benchmark.pedantic(agent.run, rounds=1)
    took, result = benchmark.stats.stats.total, greedy_return(agent)
    benchmark.extra_info.update(steps=agent.steps, greedy_return=result)
    with capsys.disabled():
        print(
            f"\n{way}, seed {seed}: {agent.steps:,} steps, {took:.2f} s of CPU, "
            f"{agent.steps / took:,.0f} steps/s, greedy return {result:.0f}"
        )
