"""The formats of targets. One format is one file in this package and a line in ``format.FORMATS``."""

from mtl_core.data.imports.formats.format import (
    FORMATS,
    Context,
    Format,
    FormatOptions,
    Guess,
    Targets,
    read_source,
)
from mtl_core.data.imports.formats.image_index import AmbiguousImageError, ImageIndex, stem_of

__all__ = ["FORMATS", "AmbiguousImageError", "Context", "Format", "FormatOptions", "Guess", "ImageIndex", "Targets", "read_source", "stem_of"]
