"""Checkpoints: a fit that was stopped anywhere and resumed has the bits of an unbroken one."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from support import released
from support.clock import install
from support.fits import StopAt, classes, network

from ffnn_fast import (
    Averaging,
    Checkpoint,
    CheckpointError,
    DivergedWarning,
    EarlyStopping,
    Network,
)
from ffnn_fast._model.model_files import ModelFileError
from ffnn_fast._training import checkpoint_files
from ffnn_fast._training.fit_options import FitOptions
from ffnn_fast.optimizers import OPTIMIZERS
from ffnn_fast.schedules import (
    Cosine,
    Custom,
    Exponential,
    FlatCosine,
    OneCycle,
    ReduceOnPlateau,
    WarmUp,
)

WORKER = (sys.executable, "-m", "support.killed_fit")
TESTS = Path(__file__).parent


def options(**given):
    return {
        "epochs": 6,
        "batch_size": 16,
        "learning_rate": WarmUp(Cosine(0.02, 4), 5),
        "validation_fraction": 0.2,
        "early_stopping": EarlyStopping(patience=4),
        **given,
    }


def losses(history):
    return [
        {k: v for k, v in record.items() if k not in ("seconds", "samples_per_second")}
        for record in history
    ]


def interrupted(path, batches, engine="compiled", **given):
    """A fit in two parts, the second by another network with another generator."""
    X, y = classes()
    first = network(dropout=0.25, engine=engine)
    with pytest.raises(KeyboardInterrupt):
        first.fit(X, y, checkpoint=path, callbacks=[StopAt(batches)], **options(**given))
    second = network(seed=99, dropout=0.25, engine=engine)
    again = {"checkpoint": path, "resume": True, "callbacks": [StopAt(0)]}
    history = second.fit(X, y, **again, **options(**given))
    return second, history


@pytest.mark.parametrize("batches", [4, 10, 23])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_resumed_fit_has_the_bits_of_an_unbroken_one(tmp_path, optimizer, batches):
    X, y = classes()
    whole = network(dropout=0.25)
    expected = whole.fit(X, y, callbacks=[StopAt(0)], **options(optimizer=optimizer))
    net, history = interrupted(tmp_path / "fit", batches, optimizer=optimizer)
    np.testing.assert_array_equal(net.params, whole.params)
    assert losses(history) == losses(expected)
    assert history.stopped == expected.stopped
    assert net.rng.random() == whole.rng.random()


@pytest.mark.parametrize(
    "given",
    [
        {"averaging": "ema"},
        {"averaging": Averaging("swa", start=2), "early_stopping": None},
        {"learning_rate": ReduceOnPlateau(0.1, "loss", 0.5, 0, threshold=0.1)},
        {"learning_rate": OneCycle(0.1)},
        {"learning_rate": WarmUp(Custom(lambda share: 0.1 - 0.1 * share, per="fit"), 5)},
        {"clip_norm": 0.5, "max_norm": 1.0, "frozen": (1,), "optimizer": "adam"},
        {
            "optimizer": "adamw",
            "schedules": {
                "weight_decay": FlatCosine(0.2),
                "dropout": Custom(lambda u: 0.5 / (u + 1)),
            },
        },
        {"shuffle": False},
        {"drop_last": True, "learning_rate": OneCycle(0.1)},
        {"batch_size": None, "epochs": 30},
        {"class_weight": "balanced", "metrics": ["f1"], "diagnostics": True},
    ],
)
def test_every_part_of_a_fit_is_resumed(tmp_path, given):
    X, y = classes()
    whole = network(dropout=0.25)
    expected = whole.fit(X, y, callbacks=[StopAt(0)], **options(**given))
    net, history = interrupted(tmp_path / "fit", 17, **given)
    np.testing.assert_array_equal(net.params, whole.params)
    assert losses(history) == losses(expected)


def test_the_reference_engine_resumes_too(tmp_path):
    X, y = classes()
    whole = network(dropout=0.25, engine="reference")
    whole.fit(X, y, **options(optimizer="adam"))
    net, _ = interrupted(tmp_path / "fit", 17, "reference", optimizer="adam")
    np.testing.assert_array_equal(net.params, whole.params)


@pytest.mark.parametrize("kind", [np.random.PCG64, np.random.MT19937, np.random.SFC64])
def test_any_generator_is_kept(tmp_path, kind):
    X, y = classes()
    whole, net = network(), network()
    whole.fit(X, y, epochs=4, rng=np.random.Generator(kind(3)))
    net.fit(X, y, epochs=2, rng=np.random.Generator(kind(3)), checkpoint=tmp_path / "fit")
    net.fit(X, y, epochs=4, rng=np.random.Generator(kind(4)), resume=tmp_path / "fit")
    np.testing.assert_array_equal(net.params, whole.params)


def test_more_epochs_go_on_where_a_finished_fit_ended(tmp_path):
    X, y = classes()
    whole, net = network(), network()
    whole.fit(X, y, epochs=5, averaging="ema")
    net.fit(X, y, epochs=3, averaging="ema", checkpoint=tmp_path / "fit")
    history = net.fit(X, y, epochs=5, averaging="ema", resume=tmp_path / "fit")
    np.testing.assert_array_equal(net.params, whole.params)
    assert [record["epoch"] for record in history] == [1, 2, 3, 4, 5]


def test_resume_true_starts_anew_where_there_is_nothing(tmp_path):
    X, y = classes()
    net, plain = network(), network()
    net.fit(X, y, checkpoint=tmp_path / "fit", resume=True)
    plain.fit(X, y)
    np.testing.assert_array_equal(net.params, plain.params)


def test_the_last_two_are_kept_and_nothing_else(tmp_path):
    X, y = classes()
    network().fit(X, y, epochs=5, checkpoint=Checkpoint(tmp_path / "fit", every_epochs=2))
    assert sorted(os.listdir(tmp_path)) == ["fit", "fit.previous"]
    done = [
        checkpoint_files.load(tmp_path / name)[1]["progress"]["epoch"]
        for name in os.listdir(tmp_path)
    ]
    assert sorted(done) == [5, 6]


def test_time_writes_within_an_epoch_and_after_it(tmp_path, monkeypatch):
    """A chunk of steps takes a second of this clock; every third second a checkpoint is due."""
    clock = install(monkeypatch, "ffnn_fast._training.checkpoint_files.monotonic")
    monkeypatch.setattr("ffnn_fast._training.loop.CHUNK", 5e-4)
    written, save = [], checkpoint_files.save
    monkeypatch.setattr(
        checkpoint_files,
        "save",
        lambda state, path: written.append((clock.calls, state.epoch)) or save(state, path),
    )
    X, y = classes(7000)
    often = Checkpoint(tmp_path / "fit", every_epochs=None, every_seconds=3)
    network().fit(X, y, epochs=2, batch_size=1, checkpoint=often, metrics=False)
    calls = clock.calls
    assert calls > 12
    times = [at for at, _ in written]
    assert times == [*range(3, calls, 3), calls]
    assert {epoch for at, epoch in written if at < calls / 2} == {1}


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "text"])
def test_a_damaged_file_gives_way_to_the_one_before(tmp_path, damage):
    X, y = classes()
    whole, net = network(), network()
    whole.fit(X, y, epochs=4)
    net.fit(X, y, epochs=3, checkpoint=tmp_path / "fit")
    content = bytearray((tmp_path / "fit").read_bytes())
    content[-40] ^= 1
    broken = {"cut": content[:-9], "flip": content, "empty": b"", "text": b"hello, world" * 9}
    (tmp_path / "fit").write_bytes(broken[damage])
    with pytest.warns(UserWarning, match="resuming from the checkpoint before it") as caught:
        net.fit(X, y, epochs=4, resume=tmp_path / "fit")
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(net.params, whole.params)


def test_two_damaged_files_are_an_error(tmp_path):
    X, y = classes()
    net = network()
    net.fit(X, y, epochs=2, checkpoint=tmp_path / "fit")
    for name in ("fit", "fit.previous"):
        (tmp_path / name).write_bytes(b"hello, world" * 9)
    with pytest.raises(CheckpointError, match="not a complete safetensors file"):
        net.fit(X, y, resume=tmp_path / "fit")


def test_a_model_file_is_no_checkpoint_and_the_other_way_round(tmp_path):
    X, y = classes()
    net = network()
    net.save(tmp_path / "net")
    with pytest.raises(CheckpointError, match="is not a checkpoint"):
        net.fit(X, y, resume=tmp_path / "net")
    net.fit(X, y, checkpoint=tmp_path / "fit")
    with pytest.raises(ModelFileError, match="was not written by"):
        Network.load(tmp_path / "fit")


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"batch_size": 8}, r"other options \(batch_size\)"),
        ({"optimizer": "adam"}, r"other options \(rule, schedule\)"),
        ({"learning_rate": 0.2}, r"other options \(rule, schedule\)"),
        ({"averaging": "ema"}, "other options"),
        ({"drop_last": True}, r"other options \(drop_last\)"),
        ({"rows": 100}, "other rows"),
        ({"net": Network([5, 9, 2])}, "another network"),
    ],
)
def test_another_fit_is_refused(tmp_path, given, what):
    X, y = classes()
    network().fit(X, y, epochs=2, checkpoint=tmp_path / "fit")
    net, n = given.pop("net", network()), given.pop("rows", 200)
    before, state = net.params.copy(), net.rng.bit_generator.state
    with pytest.raises(CheckpointError, match=f"a fit with {what}"):
        net.fit(X[:n], y[:n], resume=tmp_path / "fit", **given)
    np.testing.assert_array_equal(net.params, before)
    assert net.rng.bit_generator.state == state


def test_another_format_is_refused(tmp_path, monkeypatch):
    X, y = classes()
    monkeypatch.setattr(checkpoint_files, "FORMAT_VERSION", "3")
    network().fit(X, y, epochs=1, checkpoint=tmp_path / "fit")
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="reads versions 1, 2"):
        network().fit(X, y, resume=tmp_path / "fit")


def test_functions_of_ones_own_cannot_be_written_down(tmp_path):
    from ffnn_fast import Loss

    own = Loss("own", lambda p, y: ((p - y) ** 2).sum(axis=1), lambda p, y: 2 * (p - y))
    X, y = classes()
    net = Network([5, 1], output="identity", loss=own)
    with pytest.raises(ValueError, match="user-defined functions"):
        net.fit(X, y, checkpoint=tmp_path / "fit")
    assert os.listdir(tmp_path) == []


def test_a_checkpoint_has_a_version_and_a_description(tmp_path):
    X, y = classes()
    network().fit(X, y, epochs=1, checkpoint=tmp_path / "fit")
    import safetensors

    with safetensors.safe_open(tmp_path / "fit", framework="numpy") as file:
        metadata = file.metadata()
    assert metadata["format"] == "ffnn_fast checkpoint"
    assert json.loads(metadata["spec"])["layer_sizes"] == [5, 8, 2]
    assert metadata["library_version"]


def kill_until_done(folder, kills, seed):
    """Fits in processes that are killed at random moments; how often each was."""
    chance, killed, done = random.Random(seed), 0, 0
    while killed < kills:
        process = subprocess.Popen(
            [*WORKER, folder, str(done)], stdout=subprocess.PIPE, text=True, cwd=TESTS
        )
        assert process.stdout.readline() == "ready\n"
        time.sleep(chance.uniform(0.0, 0.25))
        alive = process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        if not alive:
            assert process.returncode == 0
        killed += alive
        done = len(list(Path(folder).glob("done-*.npy")))
    subprocess.run([*WORKER, folder, str(done), "last"], check=True, cwd=TESTS)
    return killed


def check_kills(tmp_path, kills):
    killed = kill_until_done(tmp_path, kills, kills)
    assert killed == kills
    from support import killed_fit

    ends = sorted(tmp_path.glob("done-*.npy"))
    assert ends
    for end in ends:
        number = int(end.stem.partition("-")[2])
        np.testing.assert_array_equal(np.load(end), killed_fit.fit(number), err_msg=str(number))


def test_kill_9_and_resume(tmp_path):
    check_kills(tmp_path, 6)


@pytest.mark.slow
def test_kill_9_and_resume_two_hundred_times(tmp_path):
    check_kills(tmp_path, 200)


def test_a_checkpoint_needs_a_path():
    with pytest.raises(TypeError, match=r"path must be a str or an os.PathLike, got 3"):
        Checkpoint(3)


@pytest.mark.parametrize("name", ["checkpoint-v1", "checkpoint-v2"])
def test_a_released_checkpoint_resumes(root, name):
    """Written by version 0.1: class names and options must not change."""
    folder, net = root / "tests" / "fixtures", released.network()
    path = folder / f"{name}.safetensors"
    net.fit(*released.rows(), epochs=6, resume=path, **released.options())
    np.testing.assert_allclose(net.params, np.load(folder / f"{name}.npy"), rtol=1e-3)


@pytest.mark.parametrize("name", ["checkpoint-v1-held-out", "checkpoint-v2-held-out"])
def test_a_released_checkpoint_keeps_its_held_out_rows(root, name):
    folder, net = root / "tests" / "fixtures", released.held_out_network()
    path = folder / f"{name}.safetensors"
    net.fit(*released.held_out_rows(), epochs=6, resume=path, **released.held_out_options())
    np.testing.assert_allclose(net.params, np.load(folder / f"{name}.npy"), rtol=1e-3)


def test_a_number_may_be_written_in_another_way(tmp_path, monkeypatch):
    """Files of versions that kept an int where a float was meant, such as Exponential(1, 1)."""
    X, y = classes()
    described = FitOptions.described
    monkeypatch.setattr(
        FitOptions,
        "described",
        lambda self: json.loads(json.dumps(described(self)).replace('"1.0"', '"1"')),
    )
    rate = Exponential(1, 1)
    network().fit(X, y, epochs=1, learning_rate=rate, checkpoint=tmp_path / "fit")
    monkeypatch.undo()
    history = network().fit(X, y, epochs=2, learning_rate=rate, resume=tmp_path / "fit")
    assert len(history) == 2
    with pytest.raises(CheckpointError, match="a fit with other options"):
        network().fit(X, y, epochs=2, learning_rate=Exponential(2, 1), resume=tmp_path / "fit")


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_diverged_fit_leaves_the_checkpoint_of_the_epoch_before(tmp_path, optimizer):
    X, y = classes(160)
    bad = [50]  # of 20 steps in an epoch

    def rate(u):
        return 1e60 if u in bad else 1e-3

    given = {"batch_size": 8, "optimizer": optimizer, "learning_rate": rate, "epochs": 4}
    net, whole = network(), network()
    with pytest.warns(DivergedWarning, match="step 51"):
        net.fit(X, y, checkpoint=tmp_path / "fit", **given)
    progress = checkpoint_files.load(tmp_path / "fit")[1]["progress"]
    assert (progress["t"], progress["epoch"], progress["position"]) == (40, 3, 0)
    bad.clear()
    net.fit(X, y, resume=tmp_path / "fit", **given)
    whole.fit(X, y, **given)
    np.testing.assert_array_equal(net.params, whole.params)
