"""RankLink: what the process that holds a run and the processes that train it tell each other, as lines of JSON.

A rank is started with its order on standard input. Back come events, questions, signs of life and errors on what was its standard output; what
anything else prints goes to standard error. A rank whose standard input ends has lost its parent, and ends too.
"""

from __future__ import annotations

import errno
import json
import os
import queue
import threading
import time
import traceback
from dataclasses import asdict
from typing import IO, Any

from mtl_core import errors, events
from mtl_core.errors import MTLError, Problem
from mtl_core.events import Control, Event

SIGN_OF_LIFE_SECONDS = 0.5
ORPHANED = 70  # exit code of a rank that has lost its parent

Told = dict[str, Any]


def send(stream: IO[bytes], **told: Any) -> None:
    """Write one line. What cannot be delivered, because the other side has ended, is dropped: its end is noticed elsewhere."""
    try:
        stream.write(json.dumps(told).encode() + b"\n")
        stream.flush()
    except (OSError, ValueError):
        pass


def receive(stream: IO[bytes]) -> Told | None:
    """Read one line; None at the end of the stream."""
    line = stream.readline()
    return json.loads(line) if line.endswith(b"\n") else None


class RankLink:
    """The rank's side.

    Args:
        live: the requests to the run, which the parent sends to the first rank.
    """

    def __init__(self, incoming: IO[bytes], outgoing: IO[bytes], live: Control, is_first: bool):
        self.incoming, self.outgoing, self.live, self.is_first = incoming, outgoing, live, is_first
        self._answers: queue.Queue[Any] = queue.Queue()
        self._writing = threading.Lock()
        threading.Thread(target=self._listen, name="rank-listens", daemon=True).start()
        if is_first:
            threading.Thread(target=self._give_signs_of_life, name="rank-lives", daemon=True).start()

    def tell(self, event: Event) -> None:
        """Give an event to the parent and wait until it asks for the next, so that it has recorded this one."""
        if self.is_first:
            self._send(event=type(event).__name__, values={name: getattr(event, name) for name in event.__dataclass_fields__})
            self._answers.get()

    def ask(self, question: str, *arguments: Any) -> Any:
        """The parent's answer to a question of ``Control``: ``check_held`` or ``settle``."""
        self._send(question=question, arguments=list(arguments))
        return self._answers.get()

    def fail(self, error: BaseException) -> None:
        """Report the error that ends this rank."""
        self._send(error=packed(error))

    def _send(self, **told: Any) -> None:
        with self._writing:
            send(self.outgoing, **told)

    def _listen(self) -> None:
        while (told := receive(self.incoming)) is not None:
            if "answer" in told:
                self._answers.put(told["answer"])
            else:
                self._request(told)
        os._exit(ORPHANED)

    def _request(self, told: Told) -> None:
        if told["stop"] and not self.live.stop_requested:
            self.live.stop("asked to stop")
        if told["abandoned"]:
            self.live.abandoned = True
        for key, value in told["changes"]:
            self.live.change(key, value)
        for _ in range(told["proceeds"] - self.live.proceeds):
            self.live.proceed()
        if told["pause"] and not self.live.pause_requested:
            self.live.pause()

    def _give_signs_of_life(self) -> None:
        while True:
            time.sleep(SIGN_OF_LIFE_SECONDS)
            self._send(idle=time.monotonic() - self.live.asked_at)


def event_of(told: Told) -> Event:
    """The event in a line of the first rank."""
    return getattr(events, told["event"])(**told["values"])


def packed(error: BaseException) -> Told:
    """JSON-able values of an error."""
    own = {name: value for name, value in vars(error).items() if isinstance(value, str | int | float)} if isinstance(error, MTLError) else {}
    return {
        "name": type(error).__name__,
        "text": getattr(error, "strerror", None) or str(error),
        "own": own,
        "problems": [asdict(problem) for problem in getattr(error, "problems", ())],
        "errno": getattr(error, "errno", None),
        "trace": "".join(traceback.format_exception(error)),
    }


def unpacked(told: Told) -> Exception:
    """The error again, with its trace as a note. A class that is not of this project becomes the nearest class that it tells apart from a bug."""
    kind, text = getattr(errors, told["name"], None), told["text"]
    if isinstance(kind, type) and issubclass(kind, MTLError):
        error: Exception = kind.__new__(kind, text)
        error.__dict__.update(told["own"])
        if told["problems"]:
            error.__dict__["problems"] = tuple(Problem(**problem) for problem in told["problems"])
    elif told["errno"] in errno.errorcode:
        error = OSError(told["errno"], text)
    elif told["name"] in ("MemoryError", "OutOfMemoryError"):
        error = MemoryError(text)
    else:
        error = RuntimeError(text if told["name"] == "RuntimeError" else f"{told['name']}: {text}")
    error.add_note(told["trace"])
    return error
