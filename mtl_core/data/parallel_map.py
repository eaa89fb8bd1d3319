"""A parallel map over images in threads. Pillow and OpenCV release the interpreter lock while they decode and filter."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

WORKERS = max(1, min(8, os.cpu_count() or 1))
_AHEAD = 32  # results per thread that may wait in memory
_TELL_EVERY = 64
Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(items: Iterable[Item], work: Callable[[Item], Result], tell: Callable[[int], None]) -> Iterator[tuple[Item, Result]]:
    """Pairs of each item and the result of ``work``, in the order of the items.

    Each result that the caller takes starts the next item. An error in ``work`` is raised in place of its result, and no further item is
    started.

    Args:
        tell: called with the number of results so far, now and then and at the end. An exception in it ends the work.
    """
    coming, done = iter(items), 0
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="images") as pool:
        waiting = deque((item, pool.submit(work, item)) for item in islice(coming, WORKERS * _AHEAD))
        try:
            while waiting:
                item, result = waiting.popleft()
                value = result.result()
                waiting.extend((following, pool.submit(work, following)) for following in islice(coming, 1))
                yield item, value
                done += 1
                if done % _TELL_EVERY == 0 or not waiting:
                    tell(done)
        finally:
            for _, result in waiting:
                result.cancel()


def one_by_one(items: Iterable[Item], work: Callable[[Item], Result], tell: Callable[[int], None]) -> Iterator[tuple[Item, Result]]:
    """Like ``in_threads`` but without threads, for work shorter than the overhead of a thread (tens of microseconds)."""
    done = 0
    for item in items:
        yield item, work(item)
        done += 1
        if done % _TELL_EVERY == 0:
            tell(done)
    if done % _TELL_EVERY:
        tell(done)
