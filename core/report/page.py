"""Lay a report out as one HTML file: no script, nothing from elsewhere, pages of A4 in print. Whatever strangers named is escaped."""

import base64
import io
import shlex
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from PIL import Image

from core.explanation import CLASSLESS, OF_NORM
from core.explanation.drawing import overlay
from core.report.figures import catalogue, figures, map_title
from core.report.sentences import FEW, MOST, SURE, sentences

SIDE = 480  # pixels of the picture as given, at most
SMALL = 128  # pixels up to which it stays a PNG
_TEMPLATES = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)


def page(facts, item, language):
    """Lay out a report.

    Args: facts: `core.report.facts.Facts` of the picture; item: the `core.images.item.Item` that it was measured from; language: "ko" or "en".
    Returns: the HTML, text.
    Raises: InputError for an unknown language.
    """
    words, known, told = catalogue(language), figures(facts), sentences(facts, language)
    numbers = {name: n for n, name in enumerate(known, 1)}
    maps = [
        {
            "title": map_title(one.method, words),
            "legend": words[f"page.legend_{'norm' if one.method in OF_NORM else 'apart' if one.method in CLASSLESS else 'class'}"],
            "image": _png(overlay(facts.seen, one.values)),
            "sentences": [s for s in told if s.key.startswith("map.") and any(name.startswith(f"{one.method}.") for name in s.values)],
        }
        for one in facts.maps
    ]
    return _TEMPLATES.get_template("page.html").render(
        language=language,
        words=words,
        facts=facts,
        headline=told[0],
        verdict=[s for s in told[1:] if not s.key.startswith("map.")],
        maps=maps,
        missing=", ".join(map_title(name, words) for name in facts.missing),
        numbers=lambda sentence: sorted(numbers[name] for name in sentence.values),
        given=_given(item),
        seen=_png(facts.seen),
        seen_caption=words["page.seen"].format(size=len(facts.seen)),
        commands=commands(facts, language),
        groups=_groups(facts, known, numbers, words),
        compared=_compared(facts, known, numbers, words),
        opinions=_opinions(facts, words),
        limits=words["page.limits"].format(sure=f"{100 * SURE:g}", most=f"{100 * MOST:.0f}", few=f"{100 * FEW:g}"),
        versions=", ".join(f"{name} {version}" for name, version in facts.versions.items()),
    )


def commands(facts, language):
    """Return the command lines that say the same again. A picture that a source holds is found by `report` alone."""
    given = facts.spec or Path(facts.file).name
    given = f"./{given}" if given.startswith("-") else given
    judged = ("--pack", facts.pack, "--detector", facts.detector, "--keep", f"{100 * facts.keep:g}")
    methods = ",".join((*(one.method for one in facts.maps), *facts.missing))
    lines: list[tuple[str, ...]] = []
    promise: tuple[str, ...] = ()
    if facts.hand_off:
        promise = ("--risk", f"{100 * facts.hand_off.risk:g}", "--unknown-share", f"{100 * facts.hand_off.share:g}")
        lines.append(("trust", "--pack", facts.pack, *promise))
    if not facts.spec:
        explain = (("explain", given, "--pack", facts.pack, "--method", methods),) if methods else ()
        lines = [("verdict", given, *judged), *explain, *lines]
    lines.append(("report", given, *judged, *promise, "--method", methods, "--lang", language, "--out", "report.html"))
    return [shlex.join(("python", "-m", "core", *line)) for line in lines]


def _groups(facts, known, numbers, words):
    """Return the table of facts, group by group, without those of each map."""
    groups = {}
    for name, figure in known.items():
        member, _, short = name.rpartition(".")
        if figure.group not in (one.method for one in facts.maps):
            label = words["fact.member"].format(name=words.get(f"detector.{short}", short)) if member else words[f"fact.{name}"]
            row = {"number": numbers[name], "label": label, "value": _value(figure, words), "note": words.get(f"note.{short}", "")}
            groups.setdefault(words[f"group.{figure.group}"], []).append(row)
    return [{"title": title, "rows": rows} for title, rows in groups.items()]


def _compared(facts, known, numbers, words):
    """Return the rows of the table of maps: what is told of each, and a cell a map, empty where it has no such fact."""
    fullest = sorted(facts.maps, key=lambda one: one.method not in OF_NORM)  # a map of a norm has a block, too
    names = dict.fromkeys(name.rpartition(".")[2] for one in fullest for name in known if known[name].group == one.method)
    rows = []
    for short in names:
        figures_of = {name: known.get(name) for name in (f"{one.method}.{short}" for one in facts.maps)}
        cells = [{"number": numbers[name], "value": _value(figure, words)} if figure else None for name, figure in figures_of.items()]
        rows.append({"label": words[f"fact.{short}"], "cells": cells, "note": words.get(f"note.{short}", "")})
    return rows


def _value(figure, words):
    return f"{figure.text(words)}\N{NO-BREAK SPACE}{figure.unit}" if figure.unit else figure.text(words)


def _opinions(facts, words):
    """Return the rows of all detectors."""
    return [
        {
            "name": words.get(f"detector.{name}", name),
            "score": f"{opinion.score:.4g}",
            "threshold": f"{opinion.threshold:.4g}",
            "p": f"{100 * opinion.p_value:.2f}",
            "verdict": words[f"word.{opinion.verdict}"],
        }
        for name, opinion in facts.opinions.items()
    ]


def _given(item):
    """Return the picture as given, made smaller where it is large, as a data URL."""
    picture = item.open(near=SIDE)
    picture.thumbnail((SIDE, SIDE))
    return _url(picture, "PNG") if max(picture.size) <= SMALL else _url(picture, "JPEG", quality=88)


def _png(pixels):
    return _url(Image.fromarray(pixels), "PNG")


def _url(picture, form, **options):
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return f"data:image/{form.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
