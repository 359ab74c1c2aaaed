"""The words on screen, in Korean and English: `t("verdict.ood", block="layer4.0")`.

A catalogue is a flat TOML file, key = "sentence with {values}", joined with the names of `core.words`. Values are formatted as `str.format` does.
"""

from functools import cache
from pathlib import Path

import streamlit as st

from core.adaptation import ADAPTATIONS
from core.explanation import EXPLANATIONS
from core.training import METHODS
from core.words import LANGUAGES, names, read
from dashboard.language.text import harmless, sentence


def language():
    """Return "ko" or "en": as chosen, else as the link says, else as the browser asks."""
    wishes = (st.session_state.get("lang"), st.query_params.get("lang"))
    return next((wish for wish in wishes if wish in LANGUAGES), browser_language())


def browser_language():
    """Return the language that the browser asks for where there is a catalogue of it, else English."""
    wish = (st.context.locale or "")[:2]
    return wish if wish in LANGUAGES else "en"


def t(key, **values):
    """Return a sentence in the language in use. Raises: KeyError for a key that the catalogue lacks."""
    return catalogue(language())[key].format(**values)


def class_name(name):
    """Return a class's name in the language in use, or as it is where the catalogue has none, but for what would do something where it is shown."""
    return catalogue(language()).get(f"class.{name}") or harmless(name)


def detector_name(name):
    """Return a detector's name in the language in use, or as it is where the catalogue has none."""
    return catalogue(language()).get(f"detector.{name}", name)


def method_name(name):
    """Return a training method's title in the language in use: most are names and the same in all. Args: name: in `core.training.METHODS`."""
    return catalogue(language()).get(f"method.{name}", METHODS[name].title)


def adaptation_name(name):
    """Return an adaptation method's title in the language in use: most are names and the same in all. Args: name: in `core.adaptation.ADAPTATIONS`."""
    return catalogue(language()).get(f"adaptation.{name}", ADAPTATIONS[name].title)


def explanation_name(name):
    """Return an explanation's title in the language in use: most are names and the same in all. Args: name: in `core.explanation.EXPLANATIONS`."""
    return catalogue(language()).get(f"explanation.{name}", EXPLANATIONS[name].title)


def corruption_name(name):
    """Return a corruption's title in the language in use, or as it is where the catalogue has none. Args: name: of a corruption, or "clean"."""
    return catalogue(language()).get(f"corruption.{name}", name)


def set_name(name):
    """Return the name of a set of pictures in the language in use, or as it is where the catalogue has none. Args: name: of a pack's set, or a source."""
    words, short = catalogue(language()), name.rpartition("/")[2].removeprefix("data:") if name.startswith("data:") else name
    return words.get(f"detect.set_{short}") or words.get(f"blocks.set_{short}") or harmless(short.replace("_", " "))


def explain(error):
    """Return an `InputError` in the language in use, safe in Markdown; its own English where the catalogue has no such sentence."""
    words = catalogue(language())
    if f"error.{error.key}" not in words:
        return sentence(str(error))
    values = {name: words.get(f"error.kind.{value}", value) for name, value in error.values.items()}
    return sentence(words[f"error.{error.key}"].format(**values))


@cache
def catalogue(name):
    """Return {key: sentence} of a language."""
    return names(name) | read(Path(__file__).parent, name)
