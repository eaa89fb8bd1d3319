"""Several processes on one store: no run is taken twice, one at a time on a device, requests reach whoever trains it"""

from itertools import pairwise

from dashboards import wait_for
from evidence import assert_whole, brief, small
from victims import PATIENCE, ended

from mtl_core.runs import actions

BRIEF = brief("pcgrad", epochs=2)
# A server's first run waits in a validation: it cannot end before its pause is asked for.
VALIDATION = {"call": "mtl_core.training.evaluation:labelled_part", "number": 20, "how": "wait"}


def test_two_servers_share_a_queue_and_obey_a_third_process(store, home, victims, wholes):
    store.cache = home / "data"  # the servers' own
    paused, stopped, *others = [store.create(config) for config in (small("pcgrad", epochs=8), small("pcgrad", epochs=4000), BRIEF, BRIEF)]
    servers = [victims.start(home, "", fault=VALIDATION) for _ in range(2)]
    seen = []

    def reads(run, status):
        seen.append([each.id for each in store.active()])
        return store.get(run.id).status == status

    wait_for(lambda: reads(paused, "running") and store.get(paused.id).step)
    actions.pause(store, paused.id)
    (home / "go").touch()
    wait_for(lambda: reads(paused, "paused"))
    step = store.get(paused.id).step
    actions.proceed(store, paused.id)
    wait_for(lambda: reads(paused, "finished"))
    wait_for(lambda: store.get(stopped.id).step)
    actions.stop(store, stopped.id)
    wait_for(lambda: reads(stopped, "stopped"))
    assert all(ended(pid, PATIENCE) for pid in servers)

    assert 0 < step < 8 * 39
    assert {len(active) for active in seen} == {0, 1} or {len(active) for active in seen} == {1}
    runs = [store.get(run.id) for run in (paused, stopped, *others)]
    assert [run.status.value for run in runs] == ["finished", "stopped", "finished", "finished"]
    for earlier, later in pairwise(runs):
        assert earlier.finished_at <= later.started_at  # in turn, although two processes took them
    for run in runs:
        lines = [line.text for line in store.log(run.id)]
        assert len([line for line in lines if line.startswith("training starts on")]) == 1
    for run in (paused, *others):
        wholes.assert_same(store, run.id)
    assert_whole(store)
    assert "locked" not in (home / "victims.log").read_text()
