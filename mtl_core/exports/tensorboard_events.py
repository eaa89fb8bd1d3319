"""TensorBoard event files, with the tensorboard package's own records; no TensorFlow."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from mtl_core.exports.export_source import ExportSource

TITLE = "TensorBoard"
SUMMARY = "A folder for tensorboard --logdir: every curve over steps, with its time."


def write(source: ExportSource, folder: Path) -> None:
    """``<run>-tensorboard/`` with one event file."""
    from tensorboard.compat.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue] - protobuf makes the class at the import
    from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]
    from tensorboard.summary.writer.record_writer import RecordWriter

    run = source.run
    begun = (run.started_at or run.created_at) - run.seconds_before
    place = folder / f"{run.id}-tensorboard"
    place.mkdir()
    # We choose the file name, because the package's own writer puts this machine's name into it.
    with (place / f"events.out.tfevents.{int(begun)}.{run.id}").open("wb") as file:
        records = RecordWriter(file)
        records.write(Event(wall_time=begun, file_version="brain.Event:2").SerializeToString())
        for row in cast("Iterable[Any]", source.scalars.sort_values("step", kind="stable").itertuples()):
            value = Summary.Value(tag=row.key, simple_value=row.value)
            event = Event(wall_time=begun + row.wall_time, step=row.step, summary=Summary(value=[value]))
            records.write(event.SerializeToString())
        records.flush()
