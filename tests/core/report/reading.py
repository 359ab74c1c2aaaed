"""Read a report's sentences back: which numbers and names they print, and whether those are the facts."""

import re
import string

from core.report.figures import catalogue, place

FRACTIONS = {"keep", "p_value", "confidence", "runner_up_confidence", "norm_higher", "strictest_p", "calibrated", "ece", "ece_calibrated"}
FRACTIONS |= {"risk", "share", "p_both", "p_least", "coverage", "sureness", "positive"}  # printed as percentages or points
NUMBER = r"(-?\d[\d,]*(?:\.\d+)?(?:e[+-]\d+)?)"


def check(sentence, language):
    """Read a sentence back by its template and compare what it prints with the values it names."""
    template = catalogue(language)[sentence.key]
    short = {name.rpartition(".")[2]: value for name, value in sentence.values.items()}
    named, pattern = [], ""
    for literal, name, _, _ in string.Formatter().parse(template):
        assert not re.search(r"\d", literal), "a number that is no fact"
        pattern += re.escape(literal)
        if name is not None:
            named.append(name)
            pattern += "(.+?)" if isinstance(short[name], str) else NUMBER
    printed = re.fullmatch(pattern, sentence.text)
    assert printed, (sentence.text, pattern)
    assert set(named) == set(short)
    for name, text in zip(named, printed.groups(), strict=True):
        if isinstance(short[name], str):
            assert text in (short[name], *(catalogue(language).get(f"{kind}.{short[name]}") for kind in ("class", "detector", "place", "measure")))
            continue
        mantissa, _, power = text.replace(",", "").partition("e")
        half = 0.5 * 10.0 ** (int(power or 0) - len(mantissa.partition(".")[2]))
        expected = short[name] * (100 if name in FRACTIONS else 1)
        assert abs(float(text.replace(",", "")) - expected) <= half + 1e-9, (sentence.text, name, short[name])


def value_of(facts, name):
    """Return a fact by the name of its figure, straight from the dataclasses."""
    method, _, short = name.rpartition(".")
    if method:
        one = next(m for m in facts.maps if m.method == method)
        special = {
            "place": place(one, one.peak),
            "low_place": place(one, one.trough),
            "measure": "norm" if one.method.startswith("norm") else "class",
            "at_block": one.block,
        }
        return special[short] if short in special else getattr(one, short)
    constants = {"sureness": 0.95, "strictest_p": facts.members and min(facts.members.values())}
    if name in constants:
        return constants[name]
    return getattr(facts, name) if hasattr(facts, name) else getattr(facts.hand_off, name)
