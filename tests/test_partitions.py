"""The functions that the pages on Dask and Spark call for each partition, without either."""

import numpy as np
import pytest
from conftest import ROOT
from support.pages import blocks

PAGES = {page: ROOT / "docs" / "howto" / f"{page}.md" for page in ("partitions", "spark")}


@pytest.fixture(params=PAGES)
def page(request):
    """The names that the first block of a page defines."""
    pytest.importorskip("pandas")
    names = {}
    exec(
        next(block.text for block in blocks(PAGES[request.param]) if block.kind == "python"), names
    )
    names["pieces"] = request.param == "spark"
    return names


def trained(page, frames):
    """A DataFrame with a row for each partition."""
    pd, train = page["pd"], page["train_partition"]
    if not page["pieces"]:
        return pd.concat([train(frame) for frame in frames])
    halves = [[frame.iloc[: len(frame) // 2], frame.iloc[len(frame) // 2 :]] for frame in frames]
    return pd.concat([row for frame in halves for row in train(iter(frame))])


def frames_of(page, sizes):
    rng = np.random.default_rng(0)
    frames = [page["pd"].DataFrame(rng.normal(size=(n, 3)), columns=["a", "b", "c"]) for n in sizes]
    return [frame.assign(y=frame.a * frame.b + frame.c) for frame in frames]


def test_each_partition_trains_a_network_on_its_rows(page):
    frames = frames_of(page, [400, 300, 500])
    found = trained(page, frames)
    assert found["rows"].tolist() == [400, 300, 500]
    bag = page["bag_of"](found)
    for frame, net in zip(frames, bag, strict=True):
        alone = page["network"](seed=0)
        X, y = (frame[names].to_numpy(np.float32) for names in (["a", "b", "c"], "y"))
        alone.fit(X, y, epochs=30, optimizer="adam", learning_rate=0.01, metrics=False)
        np.testing.assert_array_equal(net.params, alone.params)
    X = frames[0][["a", "b", "c"]]
    np.testing.assert_allclose(
        bag.predict(X), np.mean([net.predict(X) for net in bag], axis=0), rtol=1e-5, atol=1e-6
    )


def test_an_empty_partition_gives_no_network(page):
    empty, full = frames_of(page, [0, 200])
    if page["pieces"]:
        assert list(page["train_partition"](iter([]))) == []
    else:
        assert len(page["train_partition"](empty)) == 0
    assert len(page["bag_of"](trained(page, [full]))) == 1
