"""What is still English on a page in Chinese and in its pictures: a text that nobody marked or translated."""

import json
import re
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
from google.protobuf.descriptor import FieldDescriptor
from PIL import ImageDraw

from mtl_core.figures import picture_font

DRAWN: set[str] = set()  # words in the pictures of a test
# Words that stay as they are: names, units, code, and what the test's own runs are called.
NAMES = frozenset(
    re.findall(
        r"\S+",
        "a run digit slant digits mlp MLP Digit scenes PyTorch Python YAML JSON CSV ONNX HTML ZIP COCO LaTeX "
        "MTL_HOME CPU GPU MB GB kB px val train test "
        "epoch English timm id",
    )
)
NOT_TEXT = frozenset(
    re.findall(
        r"\S+",
        "id element_id form_id url icon key type color language page_script_hash file_urls media_file_id "
        "mime src js_content css_content component_name "
        "html_content page query_string url_pathname format gap",
    )
)
MARKUP = re.compile(
    r"`[^`]*`|:gray\[[0-9a-f]{4}\]|(?<=· )[0-9a-f]{4}\b|\([0-9a-f]{4}\)|:material/\w+:|:(?:[a-z]+)(?:-badge)?\[|<style.*?</style>|<[^>]*>|&\w+;|https?://\S+|(?<!\S)/[\w./-]+|\b\S+\.(?:py|yaml|json|csv|zip|npz|txt)\b",
    re.DOTALL,
)
CHART = {"title", "text", "name", "hovertemplate", "ticktext", "label", "customdata", "hovertext"}


def read_pictures(monkeypatch) -> None:
    """Take words that are drawn into pictures for texts of the page. A machine without a Chinese font draws them in Chinese too, as boxes."""
    DRAWN.clear()
    draw = ImageDraw.ImageDraw.text

    def read(self, place, text, *args, **more):
        DRAWN.add(text)
        return draw(self, place, text, *args, **more)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", read)
    some = str(Path(find_spec("matplotlib").origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf")
    monkeypatch.setattr(picture_font, "_first_there", lambda files: (some, 0))


def english_left(app) -> set[str]:
    """The texts of a page, of its tables, of its charts and of its pictures that have English words in them."""
    found: set[str] = set(DRAWN)
    for block in app._tree.children.values():
        _look(block, found)
    return {text for text in found if english_words(text)}


def english_words(text: str) -> list[str]:
    if re.fullmatch(r"[0-9a-f]{4,}", text):  # an id that is drawn at random, which now and then has letters only
        return []
    plain = re.sub(r"\\([^\w\s])", r"\1", text)  # Markdown's backslashes, as in the path of a folder
    words = [word for word in re.findall(r"(?<![\w/.])[A-Za-z]{2,}(?![\w/.=])", MARKUP.sub(" ", plain)) if word not in NAMES]
    return [word for word in words if word.islower() or (word.istitle() and not _has_chinese(text))]


def _has_chinese(text: str) -> bool:
    return re.search(r"[\u4e00-\u9fff]", text) is not None


def _look(node, found):
    if hasattr(node, "children"):
        if getattr(node, "proto", None) is not None:
            _strings(node.proto, found)
        for child in node.children.values():
            _look(child, found)
    elif getattr(node, "type", "") in ("arrow_data_frame",):
        frame = node.value
        found.update(map(str, frame.columns))
        found.update(str(value) for column in frame for value in frame[column] if isinstance(value, str))
        if not isinstance(frame.index, pd.RangeIndex):
            found.update(map(str, frame.index))
        _columns(node.proto, found)
    elif getattr(node, "proto", None) is not None:
        _strings(node.proto, found)


def _columns(proto, found):
    for about in json.loads(proto.columns or "{}").values():
        found.update(about[key] for key in ("label", "help") if about.get(key))


def _strings(message, found, field_name=""):
    for field, value in message.ListFields():
        if field.name in NOT_TEXT:
            continue
        many = field.is_repeated if hasattr(field, "is_repeated") else field.label == FieldDescriptor.LABEL_REPEATED
        for each in value if many else [value]:
            if field.type == FieldDescriptor.TYPE_MESSAGE and hasattr(each, "ListFields"):
                _strings(each, found)
            elif field.type == FieldDescriptor.TYPE_STRING:
                if field.name in ("json", "json_args") or each.startswith("{"):
                    _data(each, found)
                else:
                    found.add(each)


def _data(text, found):
    try:
        data = json.loads(text)
    except ValueError:
        found.add(text)
        return
    _walk(data, found, shown=False)


def _walk(data, found, shown):
    if isinstance(data, dict):
        for key, value in data.items():
            if key == "figure" and isinstance(value, str):
                _walk(json.loads(value), found, False)
            elif key != "template":
                _walk(value, found, key in CHART or key in ("alt", "words", "texts"))
    elif isinstance(data, list):
        for value in data:
            _walk(value, found, shown)
    elif shown and isinstance(data, str):
        found.add(data)
