"""What the steps of the tour show, computed from the model in use: which pictures take part, and the `Finding` of each step."""

import zlib
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from core.errors import InputError
from dashboard import compute
from dashboard.charts.detector import bin_edges
from dashboard.language import class_name, t
from dashboard.parts import tour_findings as findings
from dashboard.parts.picker import gallery_ids
from dashboard.session import pictures

STEPS = ("look", "sure", "tiles", "line", "why", "ask")
LETTERS = "ABCDEFGH"  # of the unknown pictures in the line-up
GUESSES = {  # what can be answered
    "look": ("known", "unknown", "equal"),
    "sure": tuple(LETTERS),
    "tiles": ("early", "middle", "late"),
    "line": ("mine",),
    "why": ("red", "pale", "neither"),
    "ask": ("low", "mid", "high"),
}
HELD_OUT = 200  # rows among which known pictures are looked for where the gallery has none
TILES, RISK = 3, 1.0  # where the sliders of steps 3 and 6 begin
RISKS = (0.5, 1.0, 2.0, 5.0, 10.0)  # percent
UNKNOWN_SHARE = 0.05  # of the pictures in the last step, where the pack measured unknown ones
PLACES = range(101)  # of a line, from the lowest score to the highest
SCORE, TEAM = "featurenorm", "consensus"
PUZZLE = "jigsaw"


@dataclass(frozen=True)
class Cast:
    """The pictures that take part, by id.

    Attributes: pairs: of a known one (None where none is at hand) and an unknown one; suspects: {letter: unknown one};
        from_sets: whether these come from the pack's own unknown sets, the surest and a middling one of each.
    """

    pairs: tuple
    suspects: dict
    from_sets: bool


def cast(settings):
    """Choose the pictures of a tour. Returns: `Cast`."""
    classes = set(settings.facts["classes"])
    gallery = gallery_ids(settings)
    known = [i for i in gallery if pictures.truth(i) in classes] or _held_out(settings.facts, classes)
    unknown = [i for i in gallery if pictures.truth(i) not in classes]
    pairs = tuple((known[n % len(known)] if known else None, i) for n, i in enumerate(unknown))
    of_sets = _suspects(settings)
    return Cast(pairs, dict(zip(LETTERS, of_sets or unknown, strict=False)), bool(of_sets))


def _held_out(facts, classes):
    """Return ids of up to five held-out pictures of different classes that are on this machine."""
    found = {}
    for row in range(HELD_OUT):
        picture_id = pictures.row_id(facts, "held_out", row)
        if not pictures.can_open(picture_id):
            break
        found.setdefault(pictures.truth(picture_id), picture_id)
    return [picture_id for truth, picture_id in found.items() if truth in classes][:5]


def _suspects(settings):
    """Return ids of the picture of which the model is surest, and of a middling one, of each unknown set that is on this machine; in mixed order."""
    found = []
    for name, confidences in compute.confidences(settings.pack).passes["before"].items():
        order = np.argsort(confidences)
        ids = [pictures.row_id(settings.facts, name, int(order[place])) for place in (-1, len(order) // 2)]
        if name not in ("known", PUZZLE) and len(found) < len(LETTERS) and all(map(pictures.can_open, ids)):
            found += ids
    return sorted(found, key=lambda picture_id: zlib.crc32(picture_id.encode()))


def told(settings, looks, names=None):
    """Say what the model makes of pictures. Args: looks: {id: `compute.Look`}; names: {id: name}. Returns: {id: (`Told`, `core.verdict.Verdict`)}."""
    if not looks:
        return {}
    verdicts = compute.verdicts(settings.pack, list(looks.values()), detector=TEAM, keep=0.95)
    found = {}
    for picture_id, verdict in zip(looks, verdicts, strict=True):
        truth = pictures.truth(picture_id)
        truth = class_name(truth) if truth in settings.facts["classes"] else None
        name = (names or {}).get(picture_id) or pictures.name_of(picture_id)
        found[picture_id] = findings.Told(name, truth, class_name(verdict.class_name), verdict.confidence), verdict
    return found


def lined_up(settings, cast, looks):
    """Return ({letter: (`Told`, `core.verdict.Verdict`)} of the line-up, the `Finding` of its step). Args: looks: {id: `compute.Look`} of those to be seen."""
    letters = {i: letter for letter, i in cast.suspects.items() if i in looks}
    found = told(settings, {i: looks[i] for i in letters}, {i: t("tour.letter", letter=letter) for i, letter in letters.items()})
    by_letter = {letter: found[i] for i, letter in letters.items()}
    return by_letter, findings.sure({letter: one for letter, (one, _) in by_letter.items()}, sure_shares(settings))


def sure_shares(settings):
    """Return {"known", "unknown": the share of all measured pictures that the model is sure of}; "unknown" is the mean over the sets but puzzles."""
    sets = compute.confidences(settings.pack).passes["before"]
    of = {name: float((values >= findings.SURE).mean()) for name, values in sets.items()}
    unknown = [share for name, share in of.items() if name not in ("known", PUZZLE)]
    return {"known": of["known"]} | ({"unknown": float(np.mean(unknown))} if unknown else {})


@dataclass(frozen=True)
class Scores:
    """Scores of known and unknown pictures: `block` and `team` are {"known", "unknown": (N,)}; `edges` as `bin_edges`; `ood` is the unknown set."""

    ood: str
    block: dict
    team: dict
    edges: np.ndarray

    def threshold(self, place):
        """Return the score at one of `PLACES`."""
        return float(self.edges[0] + (self.edges[-1] - self.edges[0]) * place / PLACES[-1])

    @property
    def best(self):
        return findings.best_line(self.block["known"], self.block["unknown"], [self.threshold(place) for place in PLACES])

    def team_line(self, line):
        """Return the `Line` of the consensus that raises no more false alarms than a line of the block; as many, but for equal scores."""
        return findings.line_with(self.team["known"], self.team["unknown"], line.alarms)


def scores(settings):
    """Score the held-out known pictures and one unknown set by the selected block's FeatureNorm and by the consensus. Returns: `Scores`."""
    ood = next((name for name in settings.facts["sets"] if name != PUZZLE), PUZZLE)
    both = []
    for detector in (SCORE, TEAM):
        found = compute.by_one(settings.pack, detector).evaluation
        both.append({"known": found.known[detector], "unknown": found.unknown[ood][detector]})
    return Scores(ood, *both, bin_edges(*both[0].values()))


def hand_off(settings, risk):
    """Let the machine decide at a risk, in percent.

    Returns: (`core.trust.Trust`, {score: (rule, outcome)}, share of unknown pictures that is assumed). Raises: InputError where classes are not known.
    """
    trust = compute.trust(settings.pack)
    share = UNKNOWN_SHARE if trust.unknown else 0.0
    names = [name for name in ("both", "msp") if name in trust.scores]
    rules = {name: trust.rule(name, risk=risk / 100, share=share) for name in names}
    return trust, {name: (rule, trust.outcome(rule, name, share=share)) for name, rule in rules.items()}, share


def asked(settings, risk):
    """Return the `Finding` of the last step. Args, Raises: as `hand_off`."""
    trust, found, share = hand_off(settings, risk)
    coverage = {name: outcome.coverage if rule.found and outcome.coverage else None for name, (rule, outcome) in found.items()}
    first = next(iter(found))
    least = next((r / 100 for r in RISKS if r > risk and trust.rule(first, risk=r / 100, share=share).found), None) if coverage[first] is None else None
    return findings.ask(risk / 100, share, coverage[first], found[first][1].risk, coverage["msp"], least)


def tiled(settings, puzzle):
    """Return the `Finding` of a puzzle. Args: `compute.Puzzle`."""
    choice = compute.choice(settings.facts)
    ratios = puzzle.original / puzzle.norms.clip(1e-12)
    return findings.tiles(choice.blocks, ratios, choice.selected, choice.ratio(choice.selected), choice.images)


def reasons(block, evidence, says):
    """Return the `Finding` of a map. Args: evidence: `compute.Evidence`; says: the class."""
    return findings.why(block, says, *(evidence.confidence[part] for part in ("whole", "red", "pale")))


def answers(settings):
    """Find what each step finds before anybody moves a slider. Returns: {step: `Finding`}; a step that this model cannot have is missing."""
    chosen = cast(settings)
    known, unknown = chosen.pairs[0]
    first, block = known or unknown, compute.choice(settings.facts).blocks[-1]
    looks = {i: compute.look(settings.pack, i, pictures.find(i)) for i in (known, unknown, *chosen.suspects.values()) if i}
    pair = {i: one for i, (one, _) in told(settings, {i: looks[i] for i in (known, unknown) if i}).items()}

    def line():
        found = scores(settings)
        return findings.line(found.best, found.team_line(found.best))

    def why():
        return reasons(block, compute.evidence(settings.pack, first, pictures.find(first), block=block), pair[first].says)

    found = {
        "look": lambda: findings.look(pair.get(known), pair[unknown]),
        "sure": lambda: lined_up(settings, chosen, looks)[1],
        "tiles": lambda: tiled(settings, compute.puzzle(settings.pack, first, pictures.find(first), tiles=TILES, seed=0)),
        "line": line,
        "why": why,
        "ask": lambda: asked(settings, RISK),
    }
    done = {}
    for step, find in found.items():
        with suppress(InputError):
            done[step] = find()
    return done
