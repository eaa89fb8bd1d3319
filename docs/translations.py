"""Brings the catalogues of translations up to date: ``python -m docs.translations``.

It collects the texts from the source, adds new ones to each language's ``messages.po`` without a translation, drops those that are gone, and
compiles ``messages.mo``, which the program reads. Write translations into the ``.po`` file and run the command again.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from docs.text_collection import texts
from mtl_core.language import FOLDER, LANGUAGES, SOURCE

_NEVER = datetime(2026, 1, 1, tzinfo=UTC)


def catalogue_file(language: str) -> Path:
    """The file of a language's translations, for people."""
    return FOLDER / language / "LC_MESSAGES" / "messages.po"


def read(language: str) -> Catalog:
    """A language's catalogue; an empty one where there is none yet."""
    path = catalogue_file(language)
    if not path.is_file():
        return _new(language)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def _new(language: str) -> Catalog:
    """An empty catalogue. Its dates are fixed, so that the same texts give the same file."""
    header = "# Translations of the texts for people. Write the translations here; `python -m docs.translations` does the rest."
    return Catalog(
        locale=language,
        header_comment=header,
        project="multitask-vision-dashboard",
        version="1",
        creation_date=_NEVER,
        revision_date=_NEVER,
        fuzzy=False,
        charset="utf-8",
    )


def updated(language: str) -> Catalog:
    """The catalogue with all texts of the source, in the order of the files, and the translations that there are."""
    before, now = read(language), _new(language)
    for text, places in texts().items():
        known = before.get(text)
        now.add(text, known.string if known else "", locations=[(file, 0) for file in dict.fromkeys(file for file, _ in places)])
    return now


def write(language: str, catalogue: Catalog) -> None:
    """Write a catalogue for people and for the program."""
    path = catalogue_file(language)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, catalogue, width=150, include_lineno=False)
    with path.with_suffix(".mo").open("wb") as file:
        write_mo(file, catalogue)


def main() -> None:
    """Update every language."""
    for language in LANGUAGES:
        if language == SOURCE:
            continue
        catalogue = updated(language)
        write(language, catalogue)
        missing = [message for message in catalogue if message.id and not message.string]
        print(f"{language}: {len(catalogue)} texts, {len(missing)} without a translation")


if __name__ == "__main__":
    main()
