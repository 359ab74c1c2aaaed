"""The six steps of the tour, each a function of the `Stage`: what can be done, and the answer once it may be seen."""

import streamlit as st

from core.errors import InputError
from core.explanation.drawing import overlay
from dashboard import compute
from dashboard.charts import blocks as block_charts
from dashboard.charts import detector as score_charts
from dashboard.charts import trust as trust_charts
from dashboard.charts import verdict as charts
from dashboard.charts.pictures import enlarged
from dashboard.language import class_name, explain, set_name, t
from dashboard.language.text import plain
from dashboard.parts import choices
from dashboard.parts import tour_findings as findings
from dashboard.parts import tour_numbers as numbers
from dashboard.parts.chart import table
from dashboard.parts.link import remember
from dashboard.parts.looks import look_at
from dashboard.parts.tour_stage import SHOWN, said
from dashboard.session import pictures

TILES = (2, 3, 4, 5)
TOP = 4  # classes in a chart of one picture
SIDE = 220  # pixels of a picture on screen


def look(stage):
    """Step 1: a known and an unknown picture; who is the model surer of?"""
    looks = look_at(stage.settings, [stage.known, stage.unknown])
    stage.guess(None if stage.known else {})
    if stage.unknown not in looks:
        return
    told = numbers.told(stage.settings, looks)
    finding = findings.look(told.get(stage.known, (None,))[0], told[stage.unknown][0])
    if stage.shown:
        stage.told(finding)
    for column, (picture_id, (one, verdict)) in zip(st.columns(len(told), gap="large"), told.items(), strict=True):
        kind = t("tour.known_picture" if picture_id == stage.known else "tour.unknown_picture", name=plain(one.picture))
        with column:
            beside = st.columns((1, 2)) if stage.presenting and stage.shown else (st.container(),) * 2
            with beside[0]:
                st.image(enlarged(looks[picture_id].seen), caption=kind, width="stretch" if stage.presenting and stage.shown else SIDE, alt=kind)
            if stage.shown:
                with beside[1]:
                    _classes(stage, picture_id, verdict)


def _classes(stage, picture_id, verdict):
    """Draw the most probable classes of a picture."""
    order = sorted(range(len(verdict.probabilities)), key=verdict.probabilities.__getitem__, reverse=True)[:TOP]
    names, shares = [class_name(stage.settings.facts["classes"][k]) for k in order], [verdict.probabilities[k] for k in order]
    figure = charts.class_bars(names, shares, "ID" if picture_id == stage.known else "OOD", {"confidence": t("verdict.confidence_axis")})
    rows = [(name, round(100 * share, 3)) for name, share in zip(names, shares, strict=True)]
    alt = t("verdict.classes_title", name=names[0], confidence=f"{100 * shares[0]:.1f}")
    stage.chart(figure, alt=alt, table=table("class confidence", rows), key=f"tour_classes_{picture_id == stage.known}")


def sure(stage):
    """Step 2: a line-up of unknown pictures; which one is the model surest of?"""
    looks = look_at(stage.settings, stage.cast.suspects.values())
    if not looks:
        return
    told, finding = numbers.lined_up(stage.settings, stage.cast, looks)
    if stage.shown:
        stage.told(finding)
    stage.guess({letter: one.picture for letter, (one, _) in told.items()})
    if stage.cast.from_sets and not stage.presenting:
        st.caption(t("tour.sure_chosen"))
    with st.grid(len(told) if stage.presenting else 4, min_column_width=110, gap="small"):
        for letter, (one, _) in told.items():
            caption = f"{one.picture}: {one.says} {findings.percent(one.confidence)}" if stage.shown else one.picture
            st.image(enlarged(looks[stage.cast.suspects[letter]].seen), width="stretch", alt=t("tour.unknown_picture", name=one.picture), caption=caption)
    if stage.shown and not stage.presenting:
        shares = {f"{one.picture}: {one.says}": one.confidence for one, _ in sorted(told.values(), key=lambda each: -each[0].confidence)}
        figure = charts.class_bars(list(shares), list(shares.values()), "OOD", {"confidence": t("verdict.confidence_axis")})
        rows = [(name, round(100 * share, 3)) for name, share in shares.items()]
        stage.chart(figure, alt=said(finding.headline), table=table("picture confidence", rows), key="tour_sure")
        measured = numbers.sure_shares(stage.settings)
        if len(measured) == 2:  # the last sentence is about both
            shares = {t("word.ID"): measured["known"], t("word.OOD"): measured["unknown"]}
            figure = charts.share_bars(list(shares), list(shares.values()), ("ID", "OOD"), {"share": t("tour.sure_axis", level=f"{100 * findings.SURE:g}")})
            rows = [(name, round(100 * share, 2)) for name, share in shares.items()]
            stage.chart(figure, alt=said(finding.lines[-1]), table=table("set share", rows), key="tour_sure_shares")


def tiles(stage):
    """Step 3: the picture in pieces; which block notices?"""
    settings, picture = stage.settings, stage.known or stage.unknown
    remember("shuffle", range(1000), 0)
    looks = look_at(settings, [picture])
    if picture not in looks:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        count = choices.steps("tiles", t("tour.tiles_slider"), {n: f"{n} × {n}" for n in TILES}, numbers.TILES, width=320)
        st.button(t("blocks.again"), icon=":material/shuffle:", on_click=_shuffle)
    stage.guess()
    puzzle = compute.puzzle(settings.pack, picture, pictures.find(picture), tiles=count, seed=st.session_state["shuffle"])
    finding, choice = numbers.tiled(settings, puzzle), compute.choice(settings.facts)
    if stage.shown:
        stage.told(finding)
    left, right = st.columns((2, 3) if stage.presenting else (1, 2), gap="large") if stage.shown else (st.container(), None)
    name, side = pictures.name_of(picture), SIDE * 2 // 3 if stage.presenting else SIDE
    with left, st.container(horizontal=True):
        st.image(enlarged(looks[picture].seen), caption=plain(name), width=side, alt=t("verdict.alt_picture", name=name))
        st.image(
            enlarged(puzzle.seen),
            caption=t("blocks.puzzle", tiles=count),
            width=side,
            alt=t("blocks.alt_puzzle", name=name, tiles=count),
        )
    if stage.shown:
        words = {key: t(f"blocks.{key}") for key in ("one", "selected")}
        words |= {"axis": t("blocks.play_axis"), "this": plain(name), "mean": t("blocks.play_mean", n=choice.images)}
        ratios = puzzle.original / puzzle.norms.clip(1e-12)
        figure = block_charts.picture_bars(choice.blocks, ratios, choice.ratios, choice.selected, words)
        columns = ([round(float(v), 4) for v in values] for values in (puzzle.original, puzzle.norms, ratios, choice.ratios))
        with right:
            rows = list(zip(choice.blocks, *columns, strict=True))
            stage.chart(figure, alt=said(finding.headline), table=table("block norm_picture norm_of_puzzle ratio norm_ratio", rows), key="tour_tiles")


def _shuffle():
    st.session_state["shuffle"] = (st.session_state["shuffle"] + 1) % 1000


def line(stage):
    """Step 4: scores of known and unknown pictures; where does the line belong?"""
    scores = numbers.scores(stage.settings)
    labels = {place: findings.place(scores.threshold(place)) for place in numbers.PLACES}
    place = choices.steps("line", t("tour.line_slider"), labels, 20)
    mine = findings.line_at(scores.block["known"], scores.block["unknown"], scores.threshold(place))
    counted = {"alarms": (mine.alarms, mine.known, mine.shares[0]), "missed": (mine.missed, mine.unknown, mine.shares[1])}
    left, right = st.columns((2, 3) if stage.presenting else (1, 2), gap="medium")
    with left:
        for key, (count, of, share) in counted.items():
            with st.container(border=True):
                label, value = t(f"tour.line_{key}"), f"{100 * share:.1f}\u00a0%"
                if stage.presenting:
                    st.metric(label, value)
                else:  # where a metric would cut its label
                    st.markdown(label)
                    st.metric(label, value, label_visibility="collapsed")
                    st.caption(t("tour.line_of", count=f"{count:,}", of=f"{of:,}"))
    words = {"score": t("blocks.norm_axis", block=compute.choice(stage.settings.facts).selected), "share": t("word.share"), "threshold": t("tour.line_yours")}
    words |= {"ID": f"● {t('word.ID')}", "OOD": f"◆ {set_name(scores.ood)}", "says_ID": f"{t('word.ID')} →", "says_OOD": f"← {t('word.OOD')}"}
    best = scores.best if stage.shown else None
    at = best and best.threshold
    if best:
        words["best"] = t("tour.line_best", place=findings.place(at))
    figure = score_charts.score_histogram(scores.block["known"], scores.block["unknown"], scores.edges, mine.threshold, words, best=at)
    alt = t("tour.line_alt", alarms=f"{100 * mine.shares[0]:.1f}", missed=f"{100 * mine.shares[1]:.1f}")
    rows = [(t(f"tour.line_{key}"), count, round(100 * share, 2)) for key, (count, _, share) in counted.items()]
    with right:
        stage.chart(figure, alt=alt, table=table("verdict count share", rows), key="tour_line")
    stage.guess()
    if stage.shown:
        team = scores.team_line(best)
        finding = findings.line(best, team, mine if stage.chosen != SHOWN else None)
        stage.told(finding)
    if stage.shown and not stage.presenting:
        missed = {t("tour.line_bar_block"): best.shares[1], t("tour.line_bar_team"): team.shares[1]}
        figure = charts.share_bars(list(missed), list(missed.values()), ("OOD", "OOD"), {"share": t("tour.line_team_axis")})
        rows = [(name, round(100 * share, 2)) for name, share in missed.items()]
        stage.chart(figure, alt=said(finding.lines[-1]), table=table("detector share", rows), key="tour_line_team")


def why(stage):
    """Step 5: a map of the evidence; does covering it change the model's mind?"""
    settings, picture = stage.settings, stage.known or stage.unknown
    names = compute.choice(settings.facts).blocks
    looks = look_at(settings, [picture])
    if picture not in looks:
        return
    block = choices.steps("cam", t("tour.why_slider"), names, names[-1], width=480)
    stage.guess()
    try:
        found = compute.evidence(settings.pack, picture, pictures.find(picture), block=block)
    except InputError as error:
        st.error(explain(error), icon=":material/error:")
        return
    says = class_name(settings.facts["classes"][found.label])
    finding = numbers.reasons(block, found, says)
    if stage.shown:
        stage.told(finding)
    seen = looks[picture].seen
    shown = {"whole": seen, "map": overlay(seen, found.values)} | (found.covered if stage.shown else {})
    width = SIDE if stage.presenting and not stage.shown else "stretch"
    with st.grid(4, min_column_width=140, gap="small"):
        for part, pixels in shown.items():
            caption = t(f"tour.why_{part}_caption", says=says, share=findings.percent(found.confidence.get(part, 0.0)))
            st.image(enlarged(pixels), caption=caption, width=width, alt=caption)
    if stage.shown and not stage.presenting:
        parts = [t(f"tour.why_bar_{part}") for part in found.confidence]
        figure = charts.class_bars(parts, list(found.confidence.values()), "ID", {"confidence": t("tour.why_axis", says=says)})
        rows = [(part, round(100 * share, 3)) for part, share in zip(parts, found.confidence.values(), strict=True)]
        stage.chart(figure, alt=said(finding.headline), table=table("picture confidence", rows), key="tour_why")


def ask(stage):
    """Step 6: how much may the machine decide, where only so much may be wrong?"""
    labels = {risk: f"{risk:g} %" for risk in numbers.RISKS}
    risk = choices.steps("risk", t("trust.risk"), labels, numbers.RISK, width=640)
    stage.guess()
    try:
        trust, found, share = numbers.hand_off(stage.settings, risk)
    except InputError as error:
        st.info(explain(error), icon=":material/info:")
        return
    if not stage.shown:
        return
    finding = numbers.asked(stage.settings, risk)
    stage.told(finding)
    titles = {name: t(f"trust.score_{name}") for name in found}
    curves = {title: trust.curve(name, share=share) for name, title in titles.items()}
    points = {titles[name]: (done.coverage, done.risk) if done.coverage else None for name, (_, done) in found.items()}
    words = {"coverage": t("trust.coverage_axis"), "risk": t("trust.risk_axis"), "promise": t("trust.promise_line", risk=f"{risk:g}")}
    figure = trust_charts.risk_coverage(curves, points, risk / 100, words, focus=next(iter(curves)))
    rows = [(titles[name], *(round(100 * v, 2) for v in (done.coverage, done.risk))) for name, (_, done) in found.items()]
    stage.chart(figure, alt=said(finding.headline), table=table("handoff_score coverage risk", rows), key="tour_ask")


DRAW = {"look": look, "sure": sure, "tiles": tiles, "line": line, "why": why, "ask": ask}
