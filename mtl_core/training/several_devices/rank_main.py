"""One rank of a run on several devices: `python -m mtl_core.training.several_devices.rank_main`, started by the process that holds the run."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from mtl_core.settings import use_threads

FAILED = 1  # exit code after an error that was reported


def main() -> int:
    """Take the order from standard input, train, and return the exit code."""
    from mtl_core.training.several_devices.rank_link import receive

    outgoing = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not get between the lines
    order = receive(sys.stdin.buffer)
    return FAILED if order is None else train_part(order, sys.stdin.buffer, outgoing)


def train_part(order: dict[str, Any], incoming: Any, outgoing: Any) -> int:
    """Train as the rank that the order names. Returns the exit code."""
    from mtl_core.config import RunConfig
    from mtl_core.events import Control
    from mtl_core.training.execution import resolve_device
    from mtl_core.training.several_devices.connected_ranks import ConnectedRanks
    from mtl_core.training.several_devices.rank_link import RankLink
    from mtl_core.training.several_devices.shared_control import SharedControl
    from mtl_core.training.trainer import train_as

    live = Control()
    link = RankLink(incoming, outgoing, live, is_first=order["rank"] == 0)
    try:
        config = RunConfig.from_stored(order["config"])
        ranks = ConnectedRanks(order["rank"], order["size"], Path(order["meeting"]), resolve_device(config.device))
        control = SharedControl(live, ranks)
        control.check_held = lambda: link.ask("check_held")
        control.settle = lambda precision, layout: tuple(link.ask("settle", precision, layout))
        for event in train_as(ranks, config, Path(order["folder"]), Path(order["cache"]), control):
            link.tell(event)
    except Exception as error:
        link.fail(error)
        return FAILED
    return 0


if __name__ == "__main__":
    use_threads()
    code = main()
    sys.stderr.flush()
    os._exit(code)  # PyTorch takes seconds to put itself away
