"""The names that core itself says in Korean and English: detectors, classes, explanations, ID and OOD. No torch, no Streamlit.

A catalogue is a flat TOML file, key = "words" or "sentence with {values}". The dashboard adds its own sentences to these.
"""

import tomllib
from functools import cache
from pathlib import Path

from core.table import look_up

LANGUAGES = {"ko": "한국어", "en": "English"}


def names(language):
    """Return {key: name} of a language. Raises: InputError for an unknown one."""
    look_up(LANGUAGES, language, kind="language")
    return read(Path(__file__).parent, language)


@cache
def read(folder, language):
    """Return {key: words} of a folder's catalogue, for all to read and nobody to change. Args: language: of `LANGUAGES`."""
    return tomllib.loads((folder / f"{language}.toml").read_text("utf-8"))["words"]
