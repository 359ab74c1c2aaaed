"""Choose the sentences of a report by rules on its figures, and fill them.

A template names figures, "{p_value}", and nothing else can stand in it: each number that a sentence prints is a fact, and the sentence knows which.
"""

import string
from dataclasses import dataclass

from core.explanation import CLASSLESS, OF_NORM
from core.report.figures import catalogue, figures

SURE = 0.9  # a confidence from which on an answer is called confident
MOST = 2 / 3  # share of the single detectors from which on they are not called divided
FEW = 0.05  # share of known pictures beyond which a norm is called unusual


@dataclass(frozen=True)
class Sentence:
    """One sentence. Attributes: key: of its template; text; values: {name of a figure: the number or name that it prints}."""

    key: str
    text: str
    values: dict


def sentences(facts, language):
    """Say what the facts say.

    Args: facts: `core.report.facts.Facts`; language: "ko" or "en".
    Returns: a list of `Sentence`, the headline first; those of a map have keys that begin with "map.".
    Raises: InputError for an unknown language.
    """
    words, known = catalogue(language), figures(facts)
    told = [(key, "") for key in (*_verdict(facts), *_trust(facts))]
    told += [(key, f"{one.method}.") for one in facts.maps for key in _map(facts, one)]
    return [_fill(key, prefix, words, known) for key, prefix in told]


def fields(template):
    """Return the names in a template, each once, in their order."""
    return list(dict.fromkeys(name for _, name, _, _ in string.Formatter().parse(template) if name))


def _fill(key, prefix, words, known):
    used = {name: f"{prefix}{name}" if f"{prefix}{name}" in known else name for name in fields(words[key])}
    text = words[key].format(**{name: known[figure].text(words) for name, figure in used.items()})
    return Sentence(key, text, {figure: known[figure].value for figure in used.values()})


def _verdict(facts):
    """Yield keys: the verdict, the class, who agrees, the norm."""
    knows, sure = facts.verdict == "ID", facts.confidence >= SURE
    yield "headline.known" if knows else "headline.unknown"
    yield "verdict.known" if knows else "verdict.unknown"
    yield {(True, True): "answer.sure", (True, False): "answer.unsure", (False, True): "answer.overconfident", (False, False): "answer.lost"}[knows, sure]
    if facts.single:
        yield "agree.all" if facts.same == facts.single else "agree.most" if facts.same >= MOST * facts.single else "agree.divided"
    if facts.strictest:
        yield "agree.members"
    yield "norm.weak" if facts.norm_higher >= 1 - FEW else "norm.strong" if facts.norm_higher <= FEW else "norm.usual"


def _trust(facts):
    """Yield keys: what the confidence is worth, and who decides."""
    given, knows = facts.hand_off, facts.verdict == "ID"
    if given is None:
        yield "handoff.untold"
        return
    yield "calibrated.unknown" if not knows else "calibrated.better" if given.ece_calibrated < given.ece else "calibrated.worse"
    if given.p_least == float("inf"):
        yield "handoff.none"
    elif given.p_both <= given.p_least:
        yield "handoff.asks"
    else:
        yield "handoff.decides" if knows else "handoff.decides_unknown"


def _map(facts, one):
    """Yield keys of a map: where it speaks, and whether its order does to the network what it should."""
    high, low = one.values.max() > 0, one.values.min() < 0
    if not (high or low):
        yield "map.flat"
        return
    if one.method in OF_NORM:
        yield "map.lowers" if low and (facts.verdict != "ID" or not high) else "map.raises"
    elif one.method in CLASSLESS:
        yield "map.apart"
    else:
        yield "map.for" if high else "map.against"
    yield {(True, True): "map.believed", (True, False): "map.deletes", (False, True): "map.inserts", (False, False): "map.chance"}[one.deletes, one.inserts]
