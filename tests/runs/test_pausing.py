"""Pause, proceed and stop in every phase of a run: in what order things happen, and that the numbers stay the same."""

import threading

import pytest
from evidence import BRIEF_STEPS, brief

from mtl_core.events import CheckpointSaved, Control, EpochMetrics, Paused, Resumed, RunEnded, RunStarted, StepScalars
from mtl_core.runs import actions
from mtl_core.runs.claims import ControlRecord
from mtl_core.runs.executor import apply_control
from mtl_core.runs.jobs import execute
from mtl_core.runs.resume_and_fork import resume

EPOCHS = 2


class AtLook(Control):
    """A control that does something when it is looked at for the n-th time since the run started. The trainer looks before every step and batch."""

    def __init__(self, number, act, armed=False):
        super().__init__()
        self.left, self.act, self.armed = number, act, armed

    @property
    def interrupted(self):
        self.left -= self.armed
        if self.left == 0 and self.armed:
            self.armed = False
            self.act(self)
        return super().interrupted

    def see(self, event):
        """To be told every event."""
        self.armed = self.armed or isinstance(event, RunStarted)


# An epoch looks 9 times in its steps, once between, then before 3 batches of val and 1 of train, and after each before 3 tasks' metrics.
PLACES = {"preparing": 0, "first step": 1, "middle of an epoch": 5, "evaluation": 12, "metrics": 15, "evaluation of train": 17, "second epoch": 25}
PLACES |= {"test": 42, "metrics of test": 45}


def control_at(place, act):
    """A control that acts at this place."""
    return AtLook(PLACES[place] or 1, act, armed=place == "preparing")


@pytest.mark.parametrize("place", PLACES)
def test_a_pause_anywhere_changes_no_number(store, wholes, place):
    run, seen, control = store.create(brief("pcgrad", epochs=EPOCHS)), [], control_at(place, lambda control: control.pause())

    def look(event):
        control.see(event)
        seen.append(event)
        if isinstance(event, Paused):
            assert store.get(run.id).status == "paused"
            threading.Timer(0.05, control.proceed).start()

    assert execute(store, run.id, control, look).status == "finished"
    kinds = [type(event) for event in seen]
    paused = kinds.index(Paused)
    assert kinds.count(Paused) == kinds.count(Resumed) == 1
    assert kinds[paused + 1] is Resumed
    if "test" not in place:  # there the state is saved already
        assert kinds[paused - 1] is CheckpointSaved
        assert seen[paused - 1].step == seen[paused].step
    wholes.assert_same(store, run.id)


def test_a_pause_that_is_taken_back_at_once_leaves_no_step_out(store, wholes):
    run = store.create(brief("plain", epochs=EPOCHS))

    class TakenBack(AtLook):
        @property
        def interrupted(self):
            told = super().interrupted
            if told and self.pause_requested:
                self.proceed()
            return told

    control = TakenBack(5, lambda control: control.pause())
    execute(store, run.id, control, control.see)
    wholes.assert_same(store, run.id)


def test_let_go_on_and_paused_again_before_it_noticed(store, wholes):
    run, control, seen = store.create(brief(epochs=EPOCHS)), AtLook(5, lambda control: control.pause()), []

    def twice(event):
        control.see(event)
        seen.append(type(event))
        if isinstance(event, Paused) and seen.count(Paused) == 1:
            for kind in ("proceed", "pause"):
                apply_control(control, ControlRecord(kind, {}))
        elif isinstance(event, Paused):
            control.proceed()

    assert execute(store, run.id, control, twice).status == "finished"
    assert (seen.count(Paused), seen.count(Resumed)) == (2, 2)


@pytest.mark.parametrize("place", ["preparing", "middle of an epoch", "metrics", "test"])
def test_a_stop_anywhere_is_obeyed_at_once_and_gone_on_with(store, wholes, place):
    run, seen, asked = store.create(brief("pcgrad", epochs=EPOCHS)), [], []

    def stop(control):
        control.stop()
        asked.append(len(seen))

    control = control_at(place, stop)

    def look(event):
        seen.append(event)
        control.see(event)

    assert execute(store, run.id, control, look).status == "stopped"
    after = [type(event) for event in seen[asked[0] :]]
    assert after in ([CheckpointSaved, RunEnded], [RunEnded])  # no step, no measurement
    assert (place in ("preparing", "test")) == (CheckpointSaved not in after)
    resume(store, run.id)
    execute(store, run.id)
    wholes.assert_same(store, run.id)


def test_a_stop_while_the_data_of_a_resumed_run_are_opened_does_not_set_it_back(store, wholes):
    run, control = store.create(brief(epochs=EPOCHS)), Control()
    execute(store, run.id, control, lambda event: control.stop() if isinstance(event, EpochMetrics) else None)
    resume(store, run.id)
    stopped = execute(store, run.id, AtLook(1, lambda control: control.stop(), armed=True))
    assert (stopped.status, stopped.step, stopped.epoch) == ("stopped", BRIEF_STEPS, 1)
    resume(store, run.id)
    execute(store, run.id)
    wholes.assert_same(store, run.id)


def test_a_pause_through_the_store_waits_for_its_proceed(store, wholes):
    run = store.create(brief(epochs=EPOCHS))
    states = []

    def control_it(event):
        if isinstance(event, StepScalars) and not states:
            states.append(actions.pause(store, run.id).status)
        elif isinstance(event, Paused):
            states.append(store.get(run.id).status)
            threading.Timer(0.05, actions.proceed, (store, run.id)).start()
        elif isinstance(event, Resumed):
            states.append(store.get(run.id).status)

    slow = AtLook(5, armed=True, act=lambda control: threading.Event().wait(1.0))  # so that the request is read before the run has ended
    execute(store, run.id, slow, control_it)
    assert states == ["pausing", "paused", "running"]
    wholes.assert_same(store, run.id)
