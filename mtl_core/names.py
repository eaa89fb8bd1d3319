"""The rules for names of tasks, titles of runs and studies, and paths, shared by config, import, page and command line."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

LONGEST_TASK_NAME, LONGEST_TASK_TITLE, LONGEST_SET_NAME = 60, 120, 64  # characters
SET_NAME = re.compile(rf"[a-z0-9][a-z0-9_-]{{0,{LONGEST_SET_NAME - 1}}}")  # of an imported data set
LONGEST_PATH, LONGEST_PART = 4000, 255  # bytes; Linux takes 4,095 for a path, of which file names below a folder need some
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}  # control and format characters, halves of a pair, private use, separators of lines
_JOINERS = "\u200c\u200d"  # Persian and Indian scripts and composed emoji need them
_BESIDE_LETTERS = "_- "  # and digits of any script


def task_name_problem(name: object) -> str:
    """Why ``name`` cannot name a task, as a sentence; empty if it can.

    A name begins with a letter or digit of any script and has letters, digits, '_', '-' and single spaces. Names are part of keys such as
    ``tasks.NAME.loss_weight`` and ``val/NAME/accuracy``, of file names and of pages, so '.', '/' and markup characters are not allowed.
    """
    rule = f"expected 1 to {LONGEST_TASK_NAME} letters, digits, '_', '-' or single spaces between them, beginning with a letter or digit"
    if not isinstance(name, str):
        return f"the task name {name!r:.60} is not text; {rule}"
    shown = "".join(character if character.isprintable() else "?" for character in name[:LONGEST_TASK_NAME])
    if not name or len(name) > LONGEST_TASK_NAME:
        return f"the task name '{shown}' has {len(name)} characters; {rule}"
    wrong = [character for character in name if not (_is_letter(character) or character in _BESIDE_LETTERS)]
    if wrong:
        listed = " ".join(dict.fromkeys(character if character.isprintable() else f"U+{ord(character):04X}" for character in wrong[:5]))
        return f"the task name '{shown}' has characters that a task name cannot have ({listed}); {rule}. Rename the task"
    if not _is_letter(name[0]) or name != name.strip() or "  " in name:
        return f"the task name '{shown}' begins with a sign or has spaces at an end or beside each other; {rule}. Rename the task"
    return ""


def title_problem(title: str, longest: int) -> str:
    """Why ``title`` cannot be the title of a run or a study, as a sentence; empty if it can.

    A title is one line of printable characters of any script. Control characters and marks that turn the direction of writing are refused,
    because lists and terminals would show another text than the one that is stored.
    """
    hidden = list(dict.fromkeys(character for character in title if unicodedata.category(character) in _UNSEEN and character not in _JOINERS))
    if hidden:
        listed = " ".join(f"U+{ord(character):04X}" for character in hidden[:5])
        return f"expected one line of printable characters, found characters that no list can show ({listed}); remove them"
    if len(title) > longest:
        return f"expected one line of at most {longest} characters, found {len(title)}; shorten it"
    return ""


def path_problem(path: str) -> str:
    """Why ``path`` cannot be a path on any file system, as a sentence; empty if it can."""
    hidden = [character for character in path if unicodedata.category(character) in ("Cc", "Cs")]
    if hidden:
        return f"expected the path of a file or folder, found a character that no path has (U+{ord(hidden[0]):04X}); remove it"
    longest = max((len(part.encode()) for part in path.replace("\\", "/").split("/")), default=0)
    if len(path.encode()) > LONGEST_PATH or longest > LONGEST_PART:
        return f"expected a path of at most {LONGEST_PATH:,} bytes and {LONGEST_PART} for each name in it, found '{path[:60]}...'; give a shorter one"
    if path.startswith("~"):
        try:
            Path(path).expanduser()
        except RuntimeError:
            return f"'{path.partition('/')[0]}' is no user of this machine; write the whole path"
    return ""


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN"


def suggested_task_name(text: str) -> str:
    """A task name made from any text, such as a column's title: its letters and digits of any script, with '_' for other characters."""
    name = "".join(character if _is_letter(character) else "_" for character in unicodedata.normalize("NFC", text.strip())).strip("_")
    while "__" in name:
        name = name.replace("__", "_")
    return name[:LONGEST_TASK_NAME].rstrip("_") or "task"
