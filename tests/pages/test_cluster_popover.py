"""The nodes of a Ray cluster in the status bar, from what the cluster's queue wrote into the store. No cluster is there."""

import pytest

from mtl_core import settings
from mtl_core.runs import jobs
from mtl_core.runs.cluster.cluster_state import ClusterState, Needs, Node, Placed, write_state
from tests.pages.english_texts import english_left, english_words
from ui.status.cluster_list import PIXELS
from ui.status.status_bar import MOST_RUNS

HEAD = "10.0.0.5:6379"


@pytest.fixture(autouse=True)
def _on_a_cluster(monkeypatch):
    monkeypatch.setenv("MTL_EXECUTOR", "ray")
    monkeypatch.setenv("MTL_RAY_ADDRESS", HEAD)
    monkeypatch.setattr(settings, "find_spec", lambda name: name)
    monkeypatch.setattr(jobs, "keep_queue", lambda store: None)


@pytest.fixture
def state(store, in_state):
    running, _ = in_state("running", name="a net"), in_state("queued", name="b")
    nodes = [Node("a1" * 8, "10.0.0.6", "first", 8, 2, 64 << 30), Node("b2" * 8, "10.0.0.7", "second", 4, 0, 16 << 30)]
    placed = Placed(Needs(2, 1, 1 << 30), "a1" * 8, restarts=1)
    return ClusterState(
        HEAD, nodes=nodes, runs={running.id: placed}, problem=f"run {running.id} needs 1 CPU, and no node of the cluster has that much"
    )


def test_the_nodes_their_runs_and_the_queue_are_shown(open_page, store, state, texts):
    write_state(store, state)
    app = open_page("data")
    (run_id,) = state.runs
    first, second = app.dataframe[0].value.to_dict("records")
    assert first == {
        "Node": "first (10.0.0.6, a1a1a1a1)",
        "CPUs in use": "2 of 8",
        "GPUs in use": "1 of 2",
        "Memory": "68.7 GB",
        "Runs": f"a net {run_id[-4:]}",
    }
    assert (second["CPUs in use"], second["Runs"]) == ("0 of 4", "")
    assert len(PIXELS) == len(first)
    assert sum(PIXELS) + 2 <= 704 - 48  # Streamlit's widest list, without its padding
    said = texts(app)
    assert f"Ray cluster at {HEAD}. Waiting runs: 1." in said
    assert f"Restarted after a loss: a net {run_id[-4:]} (1)." in said
    assert "The cluster starts runs in this order" in said
    assert "no node of the cluster has that much" in app.warning[0].value


def test_of_many_runs_that_train_at_once_the_bar_counts_the_rest(open_page, in_state, texts):
    for number in range(MOST_RUNS + 2):
        in_state("running", name=f"run {number}")
    app = open_page("data")
    stops = [button for button in app.button if (button.key or "").startswith("strip.stop.")]
    assert len(stops) == MOST_RUNS
    assert ":gray[and 2 more]" in texts(app)


def test_a_cluster_that_is_silent_is_not_shown_as_it_was(open_page, store, state, texts):
    write_state(store, state)
    store.set(f"cluster {HEAD}", store.settings()[f"cluster {HEAD}"].replace('"at": ', '"at": -'))
    app = open_page("data")
    assert f"The cluster {HEAD} has not answered yet" in texts(app)
    assert "Waiting runs" not in texts(app)
    assert not app.warning


def test_the_train_page_says_where_runs_train_and_chinese_pages_are_chinese(open_page, open_in_chinese, store, state, texts):
    write_state(store, state)
    app = open_page(unfolded=["advanced"])
    assert f"Runs train on the Ray cluster at {HEAD}" in texts(app)
    assert not [group for group in app.button_group if group.key == "executor"]
    app = open_in_chinese("data")
    assert not [text for text in english_left(app) if "luster" in text or " node" in text.lower() or english_words(text) == ["Runs"]]
