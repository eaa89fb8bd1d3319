"""What the pad's browser side sends, which may be any text."""

import base64

import pytest

from ui.predictions.sketch_pad import MOST_BYTES, PREFIX, drawn_bytes


def test_a_drawing_is_the_content_of_its_file():
    assert drawn_bytes(PREFIX + base64.b64encode(b"a picture").decode()) == b"a picture"


@pytest.mark.parametrize("text", ["", PREFIX, PREFIX + "no base64!", "data:text/html;base64,YQ==", "YQ==", PREFIX + "A" * MOST_BYTES])
def test_anything_else_is_no_drawing(text):
    assert drawn_bytes(text) is None
