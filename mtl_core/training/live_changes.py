"""Changes of loss weights and learning rate while a run trains, requested live or replayed from the config."""

from __future__ import annotations

from collections.abc import Iterator

from mtl_core.config import ChangeConfig, RunConfig, task_of
from mtl_core.errors import ConfigError
from mtl_core.events import REFUSED, Control, Message, SettingChanged
from mtl_core.training.setup import Network


class Changes:
    """The run's changes, in order of their steps.

    Changes up to the run's present step are applied at once, without an event, because they are already recorded.
    """

    def __init__(self, config: RunConfig, network: Network, step: int):
        self.network = network
        self.now = config.at_step(step)
        self.coming = sorted((change for change in config.changes if change.step > step), key=lambda change: change.step)
        self._apply()

    def due(self, control: Control, step: int, epoch: float) -> Iterator[SettingChanged | Message]:
        """Apply the changes that are due before the step after ``step``: first those of the config, then live requests."""
        while self.coming and self.coming[0].step <= step:
            change = self.coming.pop(0)
            yield self._carry_out(change, epoch, replayed=True)
        for key, value in control.take_changes():
            try:
                yield self._carry_out(ChangeConfig(step=step, key=key, value=value), epoch, replayed=False)
            except (ConfigError, ValueError) as error:  # the request was checked, but the settings may have changed since
                yield Message(f"not changed: {error}", "warning", f"{REFUSED} {key}")

    def _carry_out(self, change: ChangeConfig, epoch: float, replayed: bool) -> SettingChanged:
        before = self.now
        self.now = before.with_change(change.step, change.key, change.value).at_step(change.step)
        self._apply()
        return SettingChanged(change.step, epoch, change.key, _value(before, change.key), change.value, replayed)

    def _apply(self) -> None:
        self.network.weigh([task.loss_weight for task in self.now.tasks.values()])
        self.network.rate.highest = self.now.optimizer.lr


def _value(config, key: str) -> float:
    if key == "optimizer.lr":
        return config.optimizer.lr
    return config.tasks[task_of(key)].loss_weight
