"""Work on many images in threads: Pillow and OpenCV decode and filter outside of the interpreter lock."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

WORKERS = max(1, min(8, os.cpu_count() or 1))
_AHEAD = 32  # results per thread that may wait to be taken: this bounds the memory they need
_TELL_EVERY = 64
Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(items: Iterable[Item], work: Callable[[Item], Result], tell: Callable[[int], None]) -> Iterator[tuple[Item, Result]]:
    """Each item with what ``work`` made of it, in the order of the items.

    The threads never wait for each other: as soon as one result is taken, the next item is begun. An error that ``work`` raises is raised
    where its result would stand, and nothing further is begun.

    Args:
        tell: given the number of results taken so far, now and then and at the end; what it raises ends the work.
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
    """As ``in_threads``, without threads: for work that is shorter than handing it to one (tens of microseconds)."""
    done = 0
    for item in items:
        yield item, work(item)
        done += 1
        if done % _TELL_EVERY == 0:
            tell(done)
    if done % _TELL_EVERY:
        tell(done)
