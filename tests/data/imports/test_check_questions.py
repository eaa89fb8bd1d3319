"""Questions that only the check can ask, which reads every file: named, answered in a second run, and blocking until then."""

import json

import numpy as np
import pytest
from PIL import Image

from mtl_core.__main__ import main
from mtl_core.data.imports import get_imported
from mtl_core.data.imports.formats.maps import mask_classes


@pytest.fixture
def masked(tmp_path, monkeypatch):
    """Twelve pictures with masks of 0 and 1; one that the look does not open holds a 5. The look opens every second mask."""
    monkeypatch.setenv("MTL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(mask_classes, "_MOST_SCANNED", 6)
    root = tmp_path / "masked"
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    for place in range(12):
        Image.fromarray(np.random.default_rng(place).integers(0, 255, (36, 48, 3), np.uint8)).save(root / f"images/{place:02}.png")
        mask = np.zeros((36, 48), np.uint8)
        mask[9:18, 12:24] = 5 if place == 7 else 1
        Image.fromarray(mask).save(root / f"masks/{place:02}.png")
    return root


def test_a_question_of_the_check_is_answered_in_a_second_run(masked, tmp_path, capsys):
    place = ["data", "import", str(masked), "--name", "rare"]
    assert main(["data", "check", str(masked)]) == 1
    assert "--answer unlisted_segments=classes   classes of their own" in capsys.readouterr().out
    assert main(["data", "check", str(masked), "--json"]) == 1
    [question] = json.loads(capsys.readouterr().out)["questions"]
    assert [reading["name"] for reading in question["readings"]] == ["classes", "ignored"]
    for more in ([], ["--accept"]):  # neither reading can be preferred
        assert main([*place, *more]) == 2
        assert "--answer unlisted_segments=classes or ignored" in capsys.readouterr().err
    assert main([*place, "--answer", "unlisted_segment=classes"]) == 2
    assert "did you mean 'unlisted_segments'" in capsys.readouterr().err
    assert not (tmp_path / "home" / "imports").exists()
    assert main(["data", "check", str(masked), "--yaml", "--answer", "unlisted_segments=ignored"]) == 0
    assert "- 5" in capsys.readouterr().out
    assert main([*place, "--answer", "unlisted_segments=classes"]) == 0
    assert get_imported("rare").tasks[0].classes == ("background", "class 1", "class 5")
