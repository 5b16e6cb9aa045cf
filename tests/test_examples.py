"""The programs in examples/ run without a warning and reach the accuracy that they claim."""

import importlib.util

import pytest


@pytest.fixture
def example(root):
    def load(name):
        spec = importlib.util.spec_from_file_location(name, root / "examples" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def test_digits(example):
    assert example("digits").main() > 0.96


def test_movie_ratings(example):
    scores = example("movie_ratings").main()
    assert scores["network"] > scores["ridge"] > 0.6


def test_stream(example):
    error, error_without_training = example("stream").main()
    assert error < 0.1 < 0.4 < error_without_training


@pytest.mark.slow
def test_fashion_mnist(example, shared_data):
    assert example("fashion_mnist").main(shared_data / "fashion-mnist", epochs=2) > 0.84
