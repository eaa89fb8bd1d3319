"""Work in threads keeps its order, is bounded, and ends at the first error."""

import threading

import pytest

from mtl_core.data.parallel_map import _AHEAD, WORKERS, in_threads, one_by_one

both = pytest.mark.parametrize("each", [in_threads, one_by_one])


@both
def test_results_come_in_the_order_of_the_items(each):
    told = []
    found = list(each(range(200), lambda item: item * item, told.append))
    assert found == [(item, item * item) for item in range(200)]
    assert told == [64, 128, 192, 200]


@both
def test_nothing_at_all(each):
    told = []
    assert list(each([], str, told.append)) == []
    assert told == []


def test_no_more_than_a_bounded_number_is_begun_before_results_are_taken():
    begun, lock = [], threading.Lock()

    def work(item):
        with lock:
            begun.append(item)
        return item

    results = in_threads(range(10_000), work, lambda done: None)
    for taken in range(1, 100):
        next(results)
        assert len(begun) <= WORKERS * _AHEAD + taken
    results.close()
    assert len(begun) < 1000


@both
def test_an_error_stands_in_its_place_and_ends_the_work(each):
    begun = set()

    def work(item):
        begun.add(item)
        if item == 5:
            raise ValueError("five")
        return item

    results = each(range(10_000), work, lambda done: None)
    taken = [next(results)[0] for _ in range(5)]
    with pytest.raises(ValueError, match="five"):
        next(results)
    assert taken == list(range(5))
    assert len(begun) < 1000


@both
def test_what_tell_raises_ends_the_work(each):
    begun = set()

    def tell(done):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        list(each(range(10_000), begun.add, tell))
    assert len(begun) < 1000
