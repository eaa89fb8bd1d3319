"""LocalArtifacts: artifacts in the store's own folder, which all its machines see. ``ObjectArtifacts`` has the same methods."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection

from mtl_core.config import RunConfig

Link = Callable[[Connection], None]


class LocalArtifacts:
    """Everything is there already, so nothing has to be done. ``problem``: why artifacts cannot be sent or fetched; empty."""

    problem = ""

    def refresh(self, run_id: str) -> None:
        """Fetch what other machines have made of the run, except what is read on demand. Without the object store, what is here stays as it is."""

    def sent(self, run_id: str) -> list[str]:
        """Paths of the run's files in the object store. Not all of them are on this machine."""
        return []

    def bring(self, run_id: str, wanted: Callable[[str], bool]) -> None:
        """Fetch every file of the run whose path is wanted.

        Raises:
            StoreError: a file cannot be fetched.
        """

    @contextmanager
    def training(self, run_id: str, token: str, config: RunConfig) -> Iterator[None]:
        """Before the block: fetch what training with this config reads, which are the run's newest checkpoints and its best one, whole, and the run
        that it begins from, and its imported data set. During the block: fetch what people set elsewhere for the run.

        Args:
            token: of the claim.

        Raises:
            StoreError: the object store cannot be reached.
        """
        yield

    def start(self) -> None:
        """Send in the background what waits on this machine, until the process ends."""

    def keep(self, run_id: str, token: str = "", at_end: bool = False) -> None:
        """Send what this machine has made of the run. If that is not possible now, it is sent later, and the run's log says so.

        Args:
            token: of the claim, where this machine trains the run.
            at_end: nothing follows, so this is tried even if the object store was away a moment ago. It raises nothing.

        Raises:
            RunTakenError: another process has claimed the run, or it was deleted; nothing that others see has changed.
        """

    def require_data(self, config: RunConfig) -> None:
        """Have the imported set that a run reads where all machines can fetch it, before the run is queued.

        Raises:
            StoreError: the object store cannot be reached, or another machine's set has this name.
            DataError: the set's arrays are lost, and its files have changed.
        """

    def upload(self, run_id: str) -> Link:
        """Send the folder of a run that is being made. What is returned makes it visible, in the transaction that makes the run.

        Raises:
            StoreError: the object store cannot be reached.
        """
        return lambda connection: None

    def remove(self, run_id: str) -> None:
        """Remove what a deleted run has left in the object store."""

    def freed(self, run_id: str, folder: Path) -> int:
        """Bytes that the deletion of the run frees: of the files that no other folder shares by a hard link. Links are not followed."""
        found = (os.lstat(Path(place) / name) for place, _, names in os.walk(folder) for name in names)
        return sum(about.st_size for about in found if about.st_nlink == 1)
