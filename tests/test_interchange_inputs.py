"""Networks with input blocks and parametric activations to and from PyTorch."""

import pickle

import numpy as np
import pytest
from support.input_blocks import NETWORKS, params_of, rows, spec_of
from support.problems import relative_error

from ffnn_fast import Network
from ffnn_fast.interchange import _torch_inputs, from_torch, to_torch

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("name", NETWORKS)
def test_there_and_back(name, dtype, rng):
    spec = spec_of(NETWORKS[name], dtype)
    net = Network.from_params(spec, params_of(spec, rng))
    X = rows(200, rng, dtype)
    X[0, [1, 3, 4]], X[1, [1, 3, 4]] = 1.5, -1  # no known codes
    model = to_torch(net)
    most = {"float32": 1e-5, "float64": 1e-13}[dtype]
    for each in (model, pickle.loads(pickle.dumps(model))):
        with torch.no_grad():
            found, one = each(torch.from_numpy(X)).numpy(), each(torch.from_numpy(X[3])).numpy()
        assert found.dtype == dtype
        assert relative_error(found, net.forward(X)) < most
        assert relative_error(one, net.forward(X[3])) < most
    back = from_torch(model)
    np.testing.assert_array_equal(back.params, net.params)
    assert back.spec.inputs == spec.inputs
    assert back.spec.parametric == spec.parametric


@pytest.mark.parametrize("name", ["all parametric", "piecewise parametric"])
def test_gradients_are_those_of_torch(name, rng):
    options = {key: value for key, value in NETWORKS[name].items() if key != "dropout"}
    spec = spec_of(options)
    net = Network.from_params(spec, params_of(spec, rng))
    X, y, model = rows(50, rng), rng.normal(size=(50, 2)), to_torch(net)
    loss = ((model(torch.from_numpy(X)) - torch.from_numpy(y)) ** 2).sum() / 50
    loss.backward()
    assert loss.item() == pytest.approx(net.loss(X, y), rel=1e-12)
    grads = {n: p.grad.numpy() for n, p in model.named_parameters()}
    mine = net.gradient(X, y)
    expected = spec.further(mine)
    for key, grad in grads.items():
        if key.startswith("inputs."):
            assert relative_error(grad, expected[key]) < 1e-11, key
    for k, alpha in enumerate(spec.alphas(mine)):
        assert relative_error(grads[f"{2 * k + 1}.alpha"], alpha) < 1e-11
    assert len(grads) == len(expected) + 2 * spec.n_layers


def test_saved_files_open_in_torch(tmp_path, rng):
    from safetensors.torch import load_file

    spec = spec_of(NETWORKS["all"])
    net, other = (Network.from_params(spec, params_of(spec, rng)) for _ in range(2))
    net.save(tmp_path / "net.safetensors")
    model, X = to_torch(other), rows(20, rng)
    model.load_state_dict(load_file(tmp_path / "net.safetensors"))
    assert relative_error(model(torch.from_numpy(X)).detach().numpy(), net.forward(X)) < 1e-13


def test_refusals(rng):
    spec = spec_of(NETWORKS["all parametric"])
    block, first, g, *others = to_torch(Network.from_params(spec, params_of(spec, rng)))
    for modules, message in [
        ([block, *others], "the input block has 20 units, layer 1 has 37 inputs"),
        ([first, block, g, *others], "has no equivalent"),
        ([block, first, g.function, *others], "all hidden activations are parametric, or none"),
    ]:
        with pytest.raises(ValueError, match=message):
            from_torch(torch.nn.Sequential(*modules))
    with pytest.raises(AttributeError, match="no attribute 'Other'"):
        _torch_inputs.Other  # noqa: B018
