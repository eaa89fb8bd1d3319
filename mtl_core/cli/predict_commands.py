"""``predict``: predictions of a run's network for image files, as a picture and a JSON file for each."""

from __future__ import annotations

import glob
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mtl_core.cli.output import JSON, complain, emit, emit_json, json_refusals, json_text, say
from mtl_core.cli.prediction_folder import Job, PredictionFolder, prepare
from mtl_core.errors import StoreError

if TYPE_CHECKING:
    import numpy as np

    from mtl_core.inference.predictor import Predictor
    from mtl_core.inference.results import ImagePrediction

SKIPPED = 1  # exit code if a file could not be read
SHOWN = 480  # pixels; the pictures enlarge smaller images towards this and reduce larger ones to LARGEST
LARGEST = 1600


@click.command()
@click.argument("run_id", metavar="RUN")
@click.argument("images", metavar="IMAGES...", nargs=-1, required=True)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write into; created if missing.")
@click.option("--checkpoint", default="best", show_default=True, metavar="best|best:TASK|last|EPOCH", help="The checkpoint to predict with.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, mps or auto.")
@click.option("--force", is_flag=True, help="Replace existing files.")
@JSON
def predict(run_id: str, images: tuple[str, ...], out: Path, checkpoint: str, device: str, force: bool, as_json: bool) -> int:
    """Predict IMAGES (files, folders, patterns, or - for a list on standard input) with RUN's network.

    RUN is a run's id, or the folder of an exported model. Each image gets NAME.json, NAME.png with all tasks drawn, and its masks and depth maps as
    PNG files. From a folder, all files with an image suffix are predicted; files that cannot be read as images are named and skipped.
    The output folder must not contain the images. Existing files are replaced only with --force; the images are never replaced.
    Repeating the command continues an unfinished one.
    Exit code: 0 all done, 1 some images were skipped, 2 the command could not start.
    """
    from mtl_core.inference.loading import load

    with json_refusals(as_json):
        paths = list(_files(images, out))
        if not any(path.is_file() for path in paths):
            raise click.UsageError(f"no image file in {', '.join(images)}")
        predictor = load(run_id, checkpoint, device=device)
        try:
            folder = prepare(paths, out, _network(predictor), _with_own_file(predictor), force)
            if folder.done:
                say(f"going on where an earlier 'predict' was ended: {len(folder.done)} of {len(paths)} images are done")
            done, skipped = _predict_all(predictor, folder, quiet=as_json)
            folder.close()
        except OSError as error:
            raise StoreError(f"cannot write into '{out}': {error.strerror or error}") from None
    if as_json:
        emit_json({"images": done, "skipped": skipped})
    else:
        emit(f"{len(done)} predicted, {len(skipped)} skipped; in {out}")
    return SKIPPED if skipped else 0


def _network(predictor: Predictor) -> dict[str, Any]:
    """Identity of the network, so that only an unfinished attempt of the same network is continued."""
    about = predictor.description
    return {"run": about.run, "epoch": about.epoch, "step": about.step, "config": about.config.to_dict(), "how": predictor.how}


def _with_own_file(predictor: Predictor) -> list[str]:
    """Tasks whose answer is a picture of its own: a mask or a depth map."""
    return [name for name, kind in predictor.kinds.items() if kind.map_files is not None]


def _files(arguments: tuple[str, ...], out: Path) -> Iterator[Path]:
    """Image files in the order of the arguments, each once. Files in ``out`` are skipped if it lies in an input folder: they are our output."""
    from mtl_core.inference.image_reading import SUFFIXES

    seen: set[Path] = set()
    for argument in arguments:
        if argument == "-":
            if reconfigure := getattr(sys.stdin, "reconfigure", None):
                reconfigure(errors="surrogateescape")  # names of files are bytes
            found = [Path(line.strip()) for line in sys.stdin if line.strip()]
        elif Path(argument).is_dir():
            found = sorted(path for path in Path(argument).rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
            if not _same_folder(Path(argument), out):
                found = [path for path in found if not _lies_in(path, out)]
        elif glob.has_magic(argument) and not Path(argument).exists():
            found = [Path(name) for name in sorted(glob.glob(argument, recursive=True)) if Path(name).is_file()]
        else:
            found = [Path(argument)]  # even if it is missing: a message names it later
        for path in found:
            if path.absolute() not in seen:
                seen.add(path.absolute())
                yield path


def _same_folder(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and os.path.samefile(one, other)


def _lies_in(path: Path, folder: Path) -> bool:
    return folder.exists() and any(os.path.samefile(parent, folder) for parent in path.absolute().parents)


def _predict_all(predictor: Predictor, folder: PredictionFolder, quiet: bool) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    from mtl_core.inference.image_reading import ImageFileError, read_image

    done, skipped = [], []
    for job in folder.jobs:
        if values := folder.done.get(str(job.image.absolute())):
            done.append(values)
            continue
        try:
            image = read_image(job.image, predictor.levels)
        except ImageFileError as error:
            skipped.append({"file": str(job.image), "why": str(error)})
            complain(f"skipped: {error}")
            continue
        prediction = predictor.predict(image)[0]
        done.append(_write(predictor, job, image, prediction, folder))
        if not quiet:
            emit(f"{job.image}  {_summary(prediction)}")
    return done, skipped


def _write(predictor: Predictor, job: Job, image: np.ndarray, prediction: ImagePrediction, folder: PredictionFolder) -> dict[str, Any]:
    from mtl_core.figures.gallery import png

    values = {"file": str(job.image), "picture": job.files["picture"], **prediction.to_dict()}
    for task, result in prediction.tasks.items():
        files = predictor.kinds[task].map_files
        if files is not None:
            scale = files.scale(result.decoded)
            values["tasks"][task] |= {files.key: job.files[task], **scale}
            folder.write(job, task, _as_png(files.picture(result.task, result.decoded, **scale)))
    folder.write(job, "picture", png(_picture(predictor, image, prediction)))
    folder.write(job, "values", json_text(values, indent=1).encode())
    folder.finish(job)
    return values


def _as_png(picture: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _picture(predictor: Predictor, image: np.ndarray, prediction: ImagePrediction) -> Any:
    """The image and each task's prediction drawn over it, side by side on white."""
    from PIL import Image

    from mtl_core.figures.gallery import Tile, contact_sheet
    from mtl_core.figures.overlays import enlarge

    scale = max(1, SHOWN // max(prediction.size))
    tiles = [Tile(enlarge(image, scale), "input")]
    for task in prediction.tasks:
        drawing = predictor.draw(image, prediction, task, scale)
        tiles.append(Tile(drawing.image, f"{task}: {drawing.caption}" if drawing.caption else task))
    height, width = tiles[0].image.shape[:2]
    if max(height, width) > LARGEST:
        factor = LARGEST / max(height, width)
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        tiles = [Tile(_resized(tile.image, size), tile.caption) for tile in tiles]
    columns = min(len(tiles), 4)
    rows = [("", tiles[start : start + columns]) for start in range(0, len(tiles), columns)]
    sheet = contact_sheet(rows, ink="#222222", text_height=max(12, tiles[0].image.shape[1] // 28))
    ground = Image.new("RGBA", sheet.size, "white")
    return Image.alpha_composite(ground, sheet).convert("RGB")


def _resized(image: np.ndarray, size: tuple[int, int]) -> Any:
    import numpy as np
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)) if image.shape[1::-1] != size else image


def _summary(prediction: ImagePrediction) -> str:
    """What can be said of it in one line."""
    said = {task: result.in_short() for task, result in prediction.tasks.items()}
    return " · ".join(f"{task}: {text}" for task, text in said.items() if text)
