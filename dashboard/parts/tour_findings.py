"""What each step of the tour found: sentences chosen by the numbers, never before them. Pure functions, no Streamlit.

A finding that this model does not show is not told: each function has a sentence for every way that its numbers can come out.
"""

from dataclasses import dataclass

import numpy as np

from dashboard.charts import style

EQUAL = 0.01  # of confidence or share: closer than that, two are called equal
SURE = 0.9  # confidence from which a model is called sure
FELL = 0.05  # of confidence: what covering a part takes away at least, where that part is called evidence
LESS, MOST = 0.5, 0.9  # shares that part the guesses of the last step


def percent(confidence):
    """Write a confidence as charts do, with the sign."""
    return f"{style.percent(confidence)}\u00a0%"


@dataclass(frozen=True)
class Sentence:
    """A sentence by its key in the catalogue and its values."""

    key: str
    values: dict


@dataclass(frozen=True)
class Finding:
    """What a step found. Attributes: headline: `Sentence`; lines: further ones; right: the guesses that it proves right, none where there is none to make."""

    headline: Sentence
    lines: tuple = ()
    right: tuple = ()


@dataclass(frozen=True)
class Told:
    """What a model says of one picture: `picture` is its name, `truth` its class or None, `says` the class, `confidence` a fraction."""

    picture: str
    truth: str | None
    says: str
    confidence: float


def look(known, unknown):
    """Compare how sure the model is of a known and of an unknown picture. Args: `Told`; known is None where no known picture is at hand."""
    values = {"unknown": unknown.picture, "says": unknown.says, "unknown_confidence": percent(unknown.confidence)}
    always = Sentence("tour.look_always", {"says": unknown.says, "unknown": unknown.picture})
    if known is None:
        return Finding(Sentence("tour.look_alone", values), (always,))
    gap = known.confidence - unknown.confidence
    right = "equal" if abs(gap) < EQUAL else "known" if gap > 0 else "unknown"
    headline = Sentence(
        {"known": "tour.look_known", "unknown": "tour.look_unknown", "equal": "tour.look_equal"}[right],
        values | {"known": known.picture, "known_confidence": percent(known.confidence)},
    )
    named = Sentence("tour.look_right" if known.says == known.truth else "tour.look_wrong", {"known": known.picture, "says": known.says})
    return Finding(headline, (named, always), (right,))


def sure(told, shares):
    """Find the unknown picture that the model is surest of, or several where no digit on screen tells them apart.

    Args: told: {id: `Told`}, each picture named by its letter; shares: {"known", "unknown": share of all such pictures with a confidence of at least
        SURE}; what was not measured is missing.
    """
    best, n = max(told.values(), key=lambda one: one.confidence), sum(one.confidence >= SURE for one in told.values())
    alike = {letter: one.picture for letter, one in told.items() if percent(one.confidence) == percent(best.confidence)}
    values = {"picture": best.picture, "says": best.says, "confidence": percent(best.confidence), "count": n, "of": len(told), "level": f"{100 * SURE:g}"}
    lines = [Sentence("tour.sure_count" if n else "tour.sure_count_none", values)]
    if len(shares) == 2:
        known, unknown = shares["known"], shares["unknown"]
        key = "tour.sure_warns" if unknown < EQUAL else "tour.sure_same" if unknown > known - EQUAL else "tour.sure_passes"
        lines.append(Sentence(key, {"known": f"{100 * known:.1f}", "unknown": f"{100 * unknown:.1f}", "level": f"{100 * SURE:g}"}))
    key = "tour.sure_no" if best.confidence < SURE else "tour.sure_yes" if len(alike) == 1 else "tour.sure_alike"
    return Finding(Sentence(key, values | {"pictures": ", ".join(alike.values())}), tuple(lines), tuple(alike))


def third(blocks, block):
    """Return where in the network a block is: "early", "middle" or "late"."""
    return ("early", "middle", "late")[3 * blocks.index(block) // len(blocks)]


def tiles(blocks, ratios, selected, mean, count):
    """Find the block that responds most weakly to a puzzle, held against the response to the picture.

    Args: blocks: K names, from the input on; ratios: (K,) norm of the picture over norm of its puzzle; selected: the block with the highest mean ratio;
        mean: that ratio; count: over how many pictures.
    """
    ratios = np.asarray(ratios, float)
    block = blocks[int(ratios.argmax())]
    values = {"block": block, "ratio": f"{ratios.max():.2f}", "fell": f"{100 * (1 - 1 / ratios.max()):.0f}"}
    general = Sentence("tour.tiles_same" if block == selected else "tour.tiles_other", {"block": selected, "ratio": f"{mean:.2f}", "count": f"{count:,}"})
    if mean <= 1:
        general = Sentence("tour.tiles_no_rule", general.values)
    if ratios.max() <= 1:
        return Finding(Sentence("tour.tiles_none", values), (general,))
    last = Sentence("tour.tiles_last" if block != blocks[-1] else "tour.tiles_is_last", {"block": blocks[-1], "ratio": f"{ratios[-1]:.2f}"})
    return Finding(Sentence("tour.tiles_most", values), (last, general), (third(blocks, block),))


@dataclass(frozen=True)
class Line:
    """A line between known and unknown scores: how many known pictures lie on or below it, and how many unknown ones above; of how many."""

    threshold: float
    alarms: int
    missed: int
    known: int
    unknown: int

    @property
    def shares(self):
        return self.alarms / self.known, self.missed / self.unknown

    @property
    def error(self):
        return sum(self.shares)


def line_at(known, unknown, threshold):
    """Count what a line does. Args: known, unknown: scores; known if the score is above the threshold. Returns: `Line`."""
    return Line(float(threshold), int((known <= threshold).sum()), int((unknown > threshold).sum()), len(known), len(unknown))


def line_with(known, unknown, alarms):
    """Return the highest `Line` with at most so many false alarms. Args: known, unknown: scores; alarms: fewer than there are known pictures."""
    return line_at(known, unknown, np.nextafter(np.sort(known)[alarms], -np.inf))


def best_line(known, unknown, thresholds):
    """Return the `Line` with the lowest sum of both shares; of equals, the middle one."""
    lines = [line_at(known, unknown, threshold) for threshold in thresholds]
    least = [one for one in lines if one.error <= min(each.error for each in lines) + 1e-12]
    return least[len(least) // 2]


def place(threshold):
    """Write where a line is, as the slider does."""
    return f"{threshold:.3g}"


def line(best, team, mine=None):
    """Compare a line with the best one, and one block's score with the consensus of four detectors.

    Args: best: `Line` of the block's score; team: `Line` of the consensus with no more false alarms; mine: the `Line` that was drawn, None where there is none.
    """
    alarms, missed = (f"{100 * share:.1f}" for share in best.shares)
    values = {"place": place(best.threshold), "alarms": alarms, "missed": missed}
    lines = []
    if mine is not None:
        mine_alarms, mine_missed = (f"{100 * share:.1f}" for share in mine.shares)
        key = "tour.line_mine_best" if mine.error <= best.error + EQUAL else "tour.line_mine"
        lines.append(Sentence(key, {"alarms": mine_alarms, "missed": mine_missed}))
    gap = best.shares[1] - team.shares[1]
    key = "tour.line_team_same" if abs(gap) < EQUAL else "tour.line_team_better" if gap > 0 else "tour.line_team_worse"
    lines.append(Sentence(key, {"missed": f"{100 * team.shares[1]:.1f}", "alone": missed}))
    return Finding(Sentence("tour.line_trade" if best.error else "tour.line_clean", values), tuple(lines))


def why(block, says, whole, red, pale):
    """Say whether what a map shows red is evidence. Args: whole, red, pale: probability of the class for the picture, and without either part."""
    lost = {"red": whole - red, "pale": whole - pale}
    values = {"block": block, "says": says, "whole": percent(whole), "red": percent(red), "pale": percent(pale)}
    if max(lost.values()) < FELL:
        return Finding(Sentence("tour.why_neither", values), (Sentence("tour.why_enough", values),), ("neither",))
    right = max(lost, key=lost.get)
    headline = Sentence("tour.why_red" if right == "red" else "tour.why_pale", values)
    return Finding(headline, (Sentence("tour.why_believed" if right == "red" else "tour.why_not_believed", values),), (right,))


def ask(risk, share, coverage, wrong, alone, least=None):
    """Say how much the machine may decide.

    Args: fractions; coverage: of all pictures, None where no promise can be kept; wrong: of what it decided; alone: the coverage where confidence alone
        decides, None where it cannot; least: the lowest risk above this one that can be promised, None where there is none.
    """
    values = {"risk": f"{100 * risk:g}", "share": f"{100 * share:g}"}
    own = Sentence("tour.ask_alone_none", values) if alone is None else Sentence("tour.ask_alone", {"alone": f"{100 * alone:.0f}"})
    if coverage is None:
        further = (Sentence("tour.ask_least", {"least": f"{100 * least:g}"}),) if least else ()
        return Finding(Sentence("tour.ask_none", values), (*further, own), ("low",))
    values |= {"coverage": f"{100 * coverage:.0f}", "rest": f"{100 - round(100 * coverage)}", "wrong": f"{100 * wrong:.2f}"}
    measured = Sentence("tour.ask_kept" if wrong <= risk else "tour.ask_broken", values)
    right = "low" if coverage < LESS else "high" if coverage > MOST else "mid"
    return Finding(Sentence("tour.ask_decides", values), (measured, own), (right,))
