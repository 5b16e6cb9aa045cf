"""Large model files: work and memory are linear in the file, whatever it describes."""

import json
import sys
import tracemalloc

import numpy as np
import pytest
import safetensors.numpy

from ffnn_fast import Network
from ffnn_fast._model.model_files import ModelFileError
from ffnn_fast._model.spec import NetworkSpec

N = 200_000  # bytes of hostile content, about


def deep(n_layers):
    """A network of one unit a layer."""
    return Network([1] * (n_layers + 1), output="identity", seed=0, n_threads=1)


def calls_of(work):
    """Calls of functions, and steps of generators, in `work`: a count of its operations."""
    count = 0

    def profile(frame, event, arg):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def peak_of(work):
    """The most memory that Python and NumPy held at once during `work`, bytes."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_work_is_linear_in_the_number_of_layers(tmp_path, engine):
    counts = {}
    for n_layers in (500, 1000, 2000):
        net = deep(n_layers)
        path = tmp_path / str(n_layers)
        net.save(path)

        def work(net=net, path=path):
            loaded = Network.load(path, engine=engine, n_threads=1)
            loaded.save(path)
            loaded.copy()
            repr(loaded)
            loaded.forward([1.0])

        counts[n_layers] = calls_of(work)
    assert counts[1000] < 2.3 * counts[500]
    assert counts[2000] < 2.2 * counts[1000]
    assert counts[2000] < 300 * 2000


@pytest.mark.parametrize("frozen", [False, True])
def test_a_step_is_linear_in_the_number_of_layers(frozen):
    counts = []
    for n_layers in (250, 500, 1000):
        net = Network([1] * (n_layers + 1), output="identity", engine="reference", n_threads=1)
        given = {"frozen": range(1, n_layers)} if frozen else {"l1": 0.1, "dropout": 0.1}
        if not frozen:
            net = Network([1] * (n_layers + 1), output="identity", engine="reference", **given)
            given = {}
        row = (np.ones((1, 1)), np.zeros(1))
        counts.append(calls_of(lambda n=net, g=given, r=row: n.fit(*r, epochs=1, **g)))
    assert counts[1] < 2.4 * counts[0]
    assert counts[2] < 2.3 * counts[1]


@pytest.mark.parametrize("n_layers", [1000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_memory_is_linear_in_the_file(tmp_path, n_layers):
    path = tmp_path / "net"
    deep(n_layers).save(path)
    size = path.stat().st_size
    assert peak_of(lambda: Network.load(path, n_threads=1)) < 8 * size
    assert deep(n_layers).spec == Network.load(path).spec


def forge(path, spec, **metadata):
    """A file with the tensors of 2-2 and any description."""
    entries = {"format": "ffnn_fast", "format_version": "2", "extra": "{}", "spec": spec}
    tensors = {"0.weight": np.zeros((2, 2), np.float32), "0.bias": np.zeros(2, np.float32)}
    safetensors.numpy.save_file(tensors, path, metadata=entries | metadata)


PLAIN = NetworkSpec((2, 2)).to_dict()


def described(**changes):
    return json.dumps(PLAIN | changes)


def options(loss, **given):
    return described(loss=loss, output="identity", loss_options=given)


LONG = "x" * N
HOSTILE = {
    "sizes": described(layer_sizes=[1] * (N // 3)),
    "sizes of 2^31": described(layer_sizes=[2**31 - 1] * (N // 12)),
    "sizes that are none": described(layer_sizes=[0.5] * (N // 5)),
    "a long size": described(layer_sizes=[LONG, 2]),
    "sizes in a text": described(layer_sizes=LONG),
    "nested sizes": described(layer_sizes=[[1]] * (N // 5)),
    "lists": described(layer_sizes=json.loads("[" + "[]," * (N // 3) + "1]")),
    "objects": described(layer_sizes=json.loads("[" + "{}," * (N // 3) + "1]")),
    "activations": described(activations=["tanh"] * (N // 8)),
    "a long activation": described(activations=[LONG]),
    "an activation": described(activations=LONG),
    "an output": described(output=LONG),
    "a loss": described(loss=LONG),
    "dtype": described(dtype=LONG),
    "dtypes": described(dtype="f4," * (N // 3)),
    "a list of dtypes": described(dtype=["f4"] * (N // 6)),
    "named dtypes": described(dtype={"names": ["a"] * (N // 10), "formats": ["f4"] * (N // 10)}),
    "l2": described(l2=[0.0] * (N // 5)),
    "a long l2": described(l2=LONG),
    "dropout": described(dropout=[0.0] * (N // 5)),
    "dropout in texts": described(dropout=[LONG[: N // 2]] + ["b"] * (N // 10)),
    "heads": described(heads=[2] * (N // 3)),
    "missing": described(missing_targets=LONG),
    "quantiles": options("quantile", quantiles=[0.5] * (N // 5)),
    "quantiles in texts": options("quantile", quantiles=[LONG[: N // 2]] + ["b"] * (N // 10)),
    "delta": options("huber", delta=LONG),
    "options": options("huber", **{f"option {k}": 1 for k in range(N // 16)}),
    "entries": described(**{f"entry {k}": 1 for k in range(N // 15)}),
    "a long entry": described(**{LONG: 1}),
    "digits": "9" * N,
    "a long number": described(l2=1).replace('"l2": 1', '"l2": ' + "9" * 4000),
    "nested": "[" * N,
    "no object": json.dumps(LONG),
    "no JSON": LONG,
    "emoji": described(output="😀" * (N // 12)),
}


def check_refusal(path, most):
    """Loading is refused with a short message, and takes at most so many times the file's size."""
    message = ""

    def load():
        nonlocal message
        with pytest.raises(ModelFileError) as caught:
            Network.load(path)
        message = str(caught.value)

    assert peak_of(load) < most * path.stat().st_size
    assert len(message) < 1500


@pytest.mark.parametrize("spec", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_description_is_bounded_before_it_is_used(tmp_path, spec):
    forge(tmp_path / "net", spec)
    check_refusal(tmp_path / "net", 12)


def of_entries(text, first=""):
    """A JSON object of as many entries as fit; ``%d`` is their number."""
    count = N // len(text % 10**4)
    return "{" + first + ",".join(text % (10**4 + k) for k in range(count)) + "}"


OURS = '"__metadata__":{"format":"ffnn_fast","format_version":"2","spec":"{}","extra":"{}"},'
EMPTY = '"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
HEADERS = {
    "tensors": of_entries(EMPTY, OURS),
    "strange tensors": of_entries('"%d":0', OURS),
    "metadata": '{"__metadata__":' + of_entries('"%d":""') + "}",
    "strange metadata": '{"__metadata__":' + of_entries('"%d":0') + "}",
    "lists": '{"a":[' + "[]," * (N // 3) + "[]]}",
    "objects": '{"a":[' + "{}," * (N // 3) + "{}]}",
    "dimensions": '{"a":{"dtype":"F32","shape":[' + "1," * (N // 2) + '1],"data_offsets":[0,4]}}',
    "a long name": '{"' + LONG + '":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
    "a long type": '{"a":{"dtype":"' + LONG + '","shape":[1],"data_offsets":[0,4]}}',
    "a long version": json.dumps(
        {"__metadata__": {"format": "ffnn_fast", "format_version": LONG, "library_version": LONG}}
    ),
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS.keys())
def test_a_header_takes_memory_in_proportion_to_its_length(tmp_path, header):
    content = header.encode()
    (tmp_path / "net").write_bytes(len(content).to_bytes(8, "little") + content)
    check_refusal(tmp_path / "net", 40)


@pytest.mark.parametrize("text", ['"%d":""', '"%d":0', '"%d":[[]]', '"%d":{}'])
def test_an_extra_takes_memory_in_proportion_to_its_length(tmp_path, text):
    path = tmp_path / "net"
    forge(path, described(), extra=of_entries(text))
    if text.endswith('""'):
        assert peak_of(lambda: Network.load(path)) < 40 * path.stat().st_size
    else:
        check_refusal(path, 40)


def test_a_description_of_many_outputs_is_refused_by_its_tensors(tmp_path):
    """Heads and quantiles are bounded by the widest tensor; few entries of the file are wide."""
    forge(tmp_path / "net", described(layer_sizes=[2, 2], heads=[2] * 3))
    with pytest.raises(ModelFileError, match="'heads' has 3 entries; the tensors allow at most 2"):
        Network.load(tmp_path / "net")
