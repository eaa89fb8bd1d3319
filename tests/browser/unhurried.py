"""An update that rests before each step: a run that a journey watches leaves the processor to the server and the browser, and does not end too early.

Every ``Server`` of ``conftest.py`` finds it as a part of another package.
"""

import os
import time
from pathlib import Path

from pydantic import Field

from mtl_core.training.step import JointStep, UpdateOptions


class UnhurriedOptions(UpdateOptions):
    """Options of the update."""

    rest: float = Field(0.02, ge=0, le=1, description="Seconds before each step, as long as there is no file 'hurry' in the store's folder.")


class Unhurried(JointStep):
    """``JointStep`` with a rest before each step."""

    title, summary, Options = "Unhurried", "One step for all tasks, with a rest before it.", UnhurriedOptions

    def __call__(self, batch, number):
        if not Path(os.environ["MTL_HOME"], "hurry").exists():
            time.sleep(self.options.rest)
        return super().__call__(batch, number)
