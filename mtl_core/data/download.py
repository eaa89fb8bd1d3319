"""Download of a published file, through pooch: tried again, checked by its sum, and stored under its name only when it is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mtl_core.data.data_source import Progress

RETRIES = 2  # pooch waits 1 s before the first retry and 2 s before the second
_TIMEOUT, _CHUNK = 30, 1 << 18  # seconds, bytes


def download(url: str, checksum: str | None, folder: Path, progress: Progress) -> Path:
    """The path of the file in ``folder``. A file that is there with the right sum is not downloaded again.

    Args:
        url: an address with http or https.
        checksum: hexadecimal, with its kind in front: ``md5:...`` or ``sha256:...``; None where the caller checks the content.
        progress: called with a share from 0 to 1 and a sentence; what it raises ends the download.

    Raises:
        OSError: no network, or the folder cannot be written. Nothing is left.
        ValueError: the content has another sum. It was removed.
    """
    import pooch  # here, because its import takes a fifth of a second

    pooch.get_logger().setLevel("WARNING")
    name = url.rsplit("/", 1)[-1]
    bar: Any = _Bar(lambda share, what: progress(share, f"downloading {name}: {what}"))
    loader: Any = pooch.HTTPDownloader(progressbar=bar, timeout=_TIMEOUT, chunk_size=_CHUNK)
    registry = pooch.create(folder, base_url="", registry={name: checksum}, urls={name: url}, retry_if_failed=RETRIES)
    return Path(registry.fetch(name, downloader=loader))


class _Bar:
    """The progress bar that pooch expects, which passes on to ``progress``. Each attempt sets ``total`` and counts from 0."""

    def __init__(self, progress: Progress):
        self.progress, self.done, self._total = progress, 0, 0

    @property
    def total(self) -> int:
        return self._total

    @total.setter
    def total(self, value: int) -> None:
        self._total, self.done = value, 0

    def update(self, size: int) -> None:
        self.done = self.done + size if not self.total else min(self.total, self.done + size)
        of = f" of {self.total / 1e6:.0f} MB" if self.total else " MB"
        self.progress(self.done / self.total if self.total else 0.0, f"{self.done / 1e6:.0f}{of}")

    def reset(self) -> None:
        self.done = 0

    def close(self, *_: Any) -> None:
        """Nothing is open."""
