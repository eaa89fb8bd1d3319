"""The formats that targets come in. One format is one file in this package and a line in ``format.FORMATS``."""

from mtl_core.data.imports.formats.format import (
    FORMATS,
    AmbiguousImageError,
    Context,
    Format,
    FormatOptions,
    Guess,
    ImageIndex,
    Targets,
    stem_of,
)

__all__ = ["FORMATS", "AmbiguousImageError", "Context", "Format", "FormatOptions", "Guess", "ImageIndex", "Targets", "stem_of"]
