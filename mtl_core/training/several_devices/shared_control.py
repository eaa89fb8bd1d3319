"""SharedControl: the requests to a run of several processes. The first rank receives them, and all take them over at the same step."""

from __future__ import annotations

from mtl_core.events import Control
from mtl_core.training.several_devices.connected_ranks import ConnectedRanks


class SharedControl(Control):
    """What the ranks last agreed on. Only ``agree`` takes over new requests, so that every rank does the same at the same step.

    While the first rank works alone (evaluation, the end of a run), requests reach it at once.

    Args:
        live: receives the requests, on the first rank; on the others nothing sets it.
    """

    def __init__(self, live: Control, ranks: ConnectedRanks):
        super().__init__()
        self.live, self.ranks = live, ranks

    @property
    def interrupted(self) -> bool:
        if self.ranks.is_apart:
            return self.live.interrupted
        return super().interrupted

    def agree(self) -> None:
        live, changes = self.live, self.live.take_changes()
        wishes = [live.interrupted and live.stop_requested, live.pause_requested, live.abandoned, live.proceeds, len(changes)]
        stop, pause, abandoned, self.proceeds, count = self.ranks.agree_on([int(wish) for wish in wishes])
        self.stop_requested, self.pause_requested, self.abandoned = bool(stop), bool(pause), bool(abandoned)
        if count:
            changes = changes if self.ranks.is_apart else self.ranks.from_first(lambda: changes)
            for key, value in changes:
                self.change(key, value)

    def wait_while_paused(self, proceeds: int) -> None:
        if self.ranks.is_first:
            self.live.wait_while_paused(proceeds)
        self.agree()
