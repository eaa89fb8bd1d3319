"""Jobs behind a page: one under a key, cancelled where it reports, its error in words, found again after a reload."""

import threading

import pytest

from mtl_core.errors import NotPossibleError
from mtl_core.runs.background.background_jobs import BackgroundJobs
from mtl_core.runs.process_singletons import process_slot

WAIT = 30  # seconds


@pytest.fixture
def jobs(request):
    return BackgroundJobs(f"test of {request.node.name}", most_kept=3)


class Held:
    """Work that begins, then waits to be let go."""

    def __init__(self, result=None):
        self.began, self.go, self.result = threading.Event(), threading.Event(), result

    def __call__(self, progress, cancelled):
        progress(0.25, "half of a half")
        self.began.set()
        assert self.go.wait(WAIT)
        progress(7.0, "too much")
        return self.result


def ended(state):
    state["thread"].join(WAIT)
    assert state["done"]
    return state


def test_one_job_under_a_key_and_what_it_says(jobs):
    work = Held("made")
    state = jobs.start("a", work, "waiting")
    assert work.began.wait(WAIT)
    assert (state["share"], state["text"], state["done"], state["result"]) == (0.25, "half of a half", False, None)
    assert jobs.start("a", Held()) is state  # it is under way
    assert BackgroundJobs(jobs.kind).state_of("a") is state  # as after a reload of our modules
    work.go.set()
    assert (ended(state)["result"], state["share"], state["error"]) == ("made", 1.0, "")
    assert jobs.start("a", lambda progress, cancelled: 2) is not state  # it has ended: anew
    assert ended(jobs.state_of("a"))["result"] == 2


def test_a_job_in_the_place_of_another_cancels_that_one(jobs):
    work = Held()
    first = jobs.start("a", work)
    assert work.began.wait(WAIT)
    second = jobs.replace("a", lambda progress, cancelled: cancelled())
    work.go.set()
    assert (ended(first)["cancelled"], first["error"], first["result"]) == (True, "", None)
    assert (ended(second)["result"], second["cancelled"]) == (False, False)
    jobs.drop("a")
    assert jobs.state_of("a") is None


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NotPossibleError("there is no such thing"), "there is no such thing"),
        (ValueError("odd"), r"it could not be done (ValueError: odd); the server's"),
    ],
)
def test_an_error_is_said_in_words(jobs, error, said):
    def fail(progress, cancelled):
        raise error

    assert ended(jobs.start("a", fail))["error"].startswith(said)


def test_jobs_in_turn_wait_for_each_other():
    jobs, first, second = BackgroundJobs("test in turn", in_turn=True), Held(), Held()
    one, other = jobs.start("a", first), jobs.start("b", second, "waiting for another")
    assert first.began.wait(WAIT) or second.began.wait(WAIT)
    running, waiting = (one, other) if first.began.is_set() else (other, one)
    assert (running["text"], waiting["text"] in ("", "waiting for another")) == ("half of a half", True)
    assert first.began.is_set() != second.began.is_set()
    first.go.set(), second.go.set()
    assert ended(one)["done"]
    assert ended(other)["done"]


def test_ended_jobs_are_forgotten_for_newer_ones_and_those_under_way_are_not(jobs):
    work = Held()
    held = jobs.start("held", work)
    for number in range(6):
        ended(jobs.start(str(number), lambda progress, cancelled: None))
    assert list(jobs.all()) == ["held", "3", "4", "5"]
    work.go.set()
    ended(held)
    process_slot(f"jobs: {jobs.kind}").clear()
