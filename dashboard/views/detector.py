"""How good is the detector? ROC, threshold, mistakes, every detector on every set, every block on every set."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from core.detectors import DEFAULT, DETECTORS
from core.errors import InputError
from core.metrics import CONVENTIONS
from dashboard import compute
from dashboard.charts import detector as charts
from dashboard.language import class_name, detector_name, explain, t
from dashboard.language.text import plain
from dashboard.parts import choices, foot, sets, stream
from dashboard.parts.chart import download_csv, picked, show, table
from dashboard.parts.frame import frame, load
from dashboard.parts.link import remember, remember_several, to_page
from dashboard.parts.metrics import METRICS, axis, by_detector, pick_metric
from dashboard.parts.person import owner
from dashboard.session import pictures

KEEPS = tuple(i / 2 for i in range(1, 200))  # percent of known pictures: 0.5, 1.0, ... 99.5
COMPARED = (DEFAULT, "featurenorm", "msp", "energy")
AT_MOST = len(charts.LINES)
STRIP, BIN = 8, 16  # pictures in a strip, of each kind in a bin


@dataclass(frozen=True)
class Context:
    """What the page looks at: `ood` is the unknown set, `detectors` are compared, `focus` is one of them; `brought`: {set: Bring}."""

    settings: object
    bench: compute.Bench
    labels: np.ndarray
    brought: dict
    ood: str
    detectors: tuple
    focus: str

    def scores(self, of, detector):
        """Return the scores of the known pictures (of: None) or of an unknown set."""
        evaluation = self.bench.evaluation
        return evaluation.known[detector] if of is None else evaluation.unknown[of][detector]

    def id_of(self, of, row):
        """Return the id of the picture behind a row, or None where nobody knows."""
        if of in self.brought:
            return self.brought[of].job.result.ids[row]
        return pictures.row_id(self.settings.facts, of or "held_out", row)

    def name_of(self, of, row):
        """Return what a person calls a row: the class of a known picture, the number of an unknown one."""
        if of is None and self.labels[row] >= 0:
            return class_name(self.settings.facts["classes"][self.labels[row]])
        return t("detect.row", row=row)

    def set_name(self, of):
        return sets.title(of, self.brought.get(of))

    def locate(self, picture_id):
        """Return (set or None, row) of a picture that was measured here, or None."""
        spec, _, index = (picture_id or "").rpartition("/")
        for of in (None, *self.bench.evaluation.unknown):
            if of in self.brought:
                ids = self.brought[of].job.result.ids
                if picture_id in ids:
                    return of, ids.index(picture_id)
            elif index.isdecimal() and len(index) < 10 and int(index) < len(self.scores(of, self.focus)) and self.id_of(of, int(index)) == picture_id:
                return of, int(index)
        return None


def main():
    settings = frame()
    st.title(t("detect.title"))
    first = st.container()
    found, gone = sets.found(settings.pack)
    brought = {one.name: one for one in found if one.done}
    ood, compared, focus, convention = controls([*settings.facts["sets"], *brought], brought)
    loaded = load(settings)
    if ood is None:
        st.info(t("detect.no_sets"), icon=":material/folder_off:")
        sets.bring(settings.pack, settings.facts, loaded, found, gone=gone)
        return
    try:
        with st.spinner(t("detect.scoring")):
            bench = compute.bench(settings.pack, {(name, one.id): one.job.result.activations for name, one in brought.items()})
            figures = compute.figures(bench, convention)
    except InputError as error:
        st.error(explain(error), icon=":material/error:")
        return
    with first:
        accuracy(bench.evaluation, loaded.reference.held_out_labels.numpy())
    lacking = [d for d in compared if d not in bench.evaluation.known]
    if lacking:
        st.caption(t("detect.lacking", names=", ".join(detector_name(d) for d in lacking)))
    able = [d for d in compared if d in figures] or [next(iter(figures))]
    focus = focus if focus in able else able[0]
    context = Context(settings, bench, loaded.reference.held_out_labels.numpy(), brought, ood, tuple(able), focus)
    summary(context, figures, convention)
    sets.bring(settings.pack, settings.facts, loaded, found, gone=gone)
    threshold(context)
    st.divider()
    exact = every_detector(context, figures, convention)
    st.divider()
    every_block(context)
    st.divider()
    measured = brought[ood].job.result.activations if ood in brought else loaded.reference.unknown[ood]
    stream.section(settings.pack, focus, measured, unknown=context.set_name(ood))
    explanation(context, convention)
    with exact:
        exact_numbers(context, convention)


def controls(names, brought):
    """Draw what is compared on which set, and by which convention. Returns: (set or None, detectors, the one in focus, convention)."""
    compared = remember_several("detectors", tuple(DETECTORS), COMPARED)
    titles = {name: detector_name(name) for name in DETECTORS}
    first, second = st.columns(2, gap="large")
    with first:
        labels = {name: f"◆ {sets.title(name, brought.get(name))}" for name in names}
        # puzzles come first in a pack; they are no real unknown pictures, so they are not what the page starts with
        ood = choices.select("ood", t("detect.ood"), labels, names[min(1, len(names) - 1)]) if names else None
    listed = ", ".join(map(titles.get, compared)) or "–"
    with st.popover(t("detect.compared", names=listed), icon=":material/stacked_line_chart:", key="compare"):
        which = t("detect.compared_which", n=AT_MOST)
        st.pills(which, list(DETECTORS), selection_mode="multi", format_func=titles.get, key="detectors", persist_state="session")
    if len(compared) > AT_MOST:
        left_out = ", ".join(map(titles.get, compared[AT_MOST:]))
        compared = compared[:AT_MOST]
        st.caption(t("detect.compared_most", n=AT_MOST, names=left_out))
    if not compared:
        st.caption(t("detect.compared_empty", name=detector_name(DEFAULT)))
        compared = [DEFAULT]
    conventions = {name: t(f"detect.convention_{name}") for name in CONVENTIONS}
    with second:
        focus = choices.select("focus", t("detect.focus"), {name: titles[name] for name in compared}, compared[0], help=t("detect.focus_help"))
    convention = choices.segments("convention", t("detect.convention"), conventions, "id_positive")
    st.caption(t(f"detect.says_{convention}"))
    return ood, tuple(compared), focus, convention


def accuracy(evaluation, labels):
    """Draw the ID accuracy, and a warning where it is so low that nothing else should be believed."""
    if evaluation.accuracy is None:
        st.caption(t("detect.no_labels"))
        return
    percent = f"{100 * evaluation.accuracy:.1f}"
    st.markdown(t("detect.accuracy", accuracy=percent, n=int((labels >= 0).sum())))
    if evaluation.doubtful:
        st.warning(t("detect.doubtful", accuracy=percent, guess=f"{100 / evaluation.classes:.1f}"), icon=":material/warning:")


def summary(context, figures, convention):
    """Say which detector is best on this set and what the one in focus reaches."""
    here = {d: rows[context.ood] for d, rows in figures.items()}
    order = sorted(here, key=lambda d: -here[d]["auroc"])
    best, mine = order[0], here[context.focus]
    numbers = {"best": detector_name(best), "set": context.set_name(context.ood), "auroc": f"{here[best]['auroc']:.1f}", "n": len(order)}
    st.header(t("detect.found", **numbers))
    st.markdown(t("detect.place", name=detector_name(context.focus), rank=order.index(context.focus) + 1, n=len(order)))
    with st.container(horizontal=True, gap="large"):
        for metric, name in METRICS.items():
            st.metric(f"{name} {'↑' if metric != 'fpr95' else '↓'}", f"{mine[metric]:.1f} %", width="content")
    counts = {"known": len(context.scores(None, context.focus)), "unknown": len(context.scores(context.ood, context.focus))}
    st.caption(t("detect.measured", convention=t(f"detect.convention_{convention}"), **counts))


@st.fragment
def threshold(context):
    """Draw the threshold handle and all that moves with it; a move runs only this part again."""
    finding = st.container()
    remember("keep", KEEPS, 95.0)
    keep = st.slider(t("detect.keep"), KEEPS[0], KEEPS[-1], step=0.5, format="%.1f %%", key="keep", persist_state="session", help=t("detect.keep_help"))
    at = compute.at_keep(context.bench, context.ood, context.detectors, keep / 100)
    line, confusion = at[context.focus]
    unknown = len(context.scores(context.ood, context.focus))
    says = t("detect.at", name=detector_name(context.focus), keep=f"{keep:g}", passed=confusion.unknown_as_known, m=unknown)
    finding.header(says)
    left, right = st.columns(2, gap="large")
    with left:
        roc_chart(context, at, says)
    with right:
        chosen = score_chart(context, line, keep, says)
    confusion_tables(context, at)
    if not any(pictures.can_open(context.id_of(of, 0)) for of in (None, context.ood)):
        st.info(t("detect.no_pictures"), icon=":material/hide_image:")
    elif not pictures.can_open(context.id_of(None, 0)):
        st.info(t("detect.no_known_pictures"), icon=":material/hide_image:")
    if chosen is not None:
        bin_pictures(context, chosen, line)
    mistakes(context, line)
    detail(context, keep)
    disagreements(context, keep)


def roc_chart(context, at, finding):
    """Draw the ROC curves; a click on one sets the threshold."""
    key = f"roc_chart_{st.session_state.setdefault('roc_clicks', 0)}"

    def clicked():
        share = picked(st.session_state.get(key))
        if share is not None:
            st.session_state["keep"] = min(KEEPS, key=lambda k: abs(k - float(share)))
            st.session_state["roc_clicks"] += 1

    curves = {d: compute.roc(context.bench, context.ood, d) for d in context.detectors}
    drawn = {detector_name(d): (curves[d], (at[d][1].tpr, at[d][1].fpr)) for d in context.detectors}
    words = {name: t(f"detect.roc_{name}") for name in ("fpr", "tpr", "chance")}
    figure = charts.roc(drawn, words, focus=detector_name(context.focus))
    shares = np.arange(5, 100, 5)
    counts = [compute.at_keep(context.bench, context.ood, context.detectors, share / 100) for share in shares]
    columns = {t("word.tpr"): shares} | {f"{t('word.fpr')}: {detector_name(d)}": [round(100 * at[d][1].fpr, 2) for at in counts] for d in curves}
    st.markdown(f"**{t('detect.roc_title')}**")
    show(figure, alt=finding, table=pd.DataFrame(columns), key=key, on_select=clicked, selection_mode="points")


def score_chart(context, line, keep, finding):
    """Draw how the focused detector's scores are spread; a click on a bar, or the list, opens its pictures. Returns: (edges, bin) or None."""
    known, unknown = context.scores(None, context.focus), context.scores(context.ood, context.focus)
    edges = charts.bin_edges(known, unknown)
    counts = [np.bincount(charts.bins_of(scores, edges), minlength=len(edges) - 1) for scores in (known, unknown)]
    filled = [int(k) for k in np.flatnonzero(counts[0] + counts[1])]
    of = (context.settings.pack, context.ood, context.focus)
    if st.session_state.setdefault("range_of", of) != of:
        st.session_state["range_of"], st.session_state["range"] = of, -1
    remember("range", (-1, *filled), -1)  # the chart above shows it too
    key = f"score_chart_{st.session_state.setdefault('score_clicks', 0)}"

    def clicked():
        k = picked(st.session_state.get(key))
        if k in filled:
            st.session_state["range"] = k
            st.session_state["score_clicks"] += 1

    chosen = st.session_state["range"]
    words = {"score": t("verdict.score_axis", detector=detector_name(context.focus)), "share": t("word.share"), "threshold": t("detect.line", keep=f"{keep:g}")}
    words |= {"ID": f"● {t('word.ID')}", "OOD": f"◆ {context.set_name(context.ood)}", "says_ID": t("detect.side_ID"), "says_OOD": t("detect.side_OOD")}
    figure = charts.score_histogram(known, unknown, edges, line, words, shown=None if chosen < 0 else chosen)
    rows = [(round(edges[k], 4), round(edges[k + 1], 4), *(int(c[k]) for c in counts)) for k in filled]
    title = t("detect.score_title", name=detector_name(context.focus))
    st.markdown(f"**{title}**")
    numbers = table("range_from range_to known_pictures unknown_pictures", rows)
    show(figure, alt=f"{title}. {finding}", table=numbers, key=key, on_select=clicked, selection_mode="points")
    ranges = {k: t("detect.range", low=f"{edges[k]:.4g}", high=f"{edges[k + 1]:.4g}", known=counts[0][k], unknown=counts[1][k]) for k in filled}
    k = choices.select("range", t("detect.range_label"), {-1: t("detect.range_none"), **ranges}, -1, help=t("detect.range_help"))
    return None if k < 0 else (edges, k)


def confusion_tables(context, at):
    """Draw the four counts of the focused detector, and a row for every compared one."""
    _, mine = at[context.focus]
    n, m = mine.known_as_known + mine.known_as_unknown, mine.unknown_as_known + mine.unknown_as_unknown
    cells = [[(mine.known_as_known, n), (mine.known_as_unknown, n)], [(mine.unknown_as_known, m), (mine.unknown_as_unknown, m)]]
    names = [f"● {t('word.ID')}: {n:,}", f"◆ {context.set_name(context.ood)}: {m:,}"]
    called = [t("detect.called_ID"), t("detect.called_OOD")]
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(f"**{t('detect.confusion', name=detector_name(context.focus))}**")
        rows = [[f"{count:,}\u00a0({100 * count / of:.1f}\u00a0%)" for count, of in row] for row in cells]
        st.table(pd.DataFrame(rows, pd.Index(names, name=t("word.truth")), called))
    with right:
        st.markdown(f"**{t('detect.compared_at')}**")
        rows = [(detector_name(d), f"{line:.5g}", f"{100 * c.tpr:.1f}", f"{100 * c.fpr:.1f}") for d, (line, c) in at.items()]
        st.table(table("detector threshold tpr fpr", rows).set_index(t("word.detector")))


def mistakes(context, line):
    """Draw the pictures just on the wrong side of the line: known ones that are rejected, unknown ones that pass."""
    known, unknown = context.scores(None, context.focus), context.scores(context.ood, context.focus)
    rejected = [r for r in np.argsort(-known, kind="stable") if known[r] <= line]
    passed = [r for r in np.argsort(unknown, kind="stable") if unknown[r] > line]
    for of, rows, word in ((None, rejected, "rejected"), (context.ood, passed, "passed")):
        st.subheader(t(f"detect.mistake_{word}", n=len(rows)))
        st.caption(t(f"detect.mistake_{word}_caption") if rows else t("detect.none_here"))
        strip(context, [(of, int(r)) for r in rows[:STRIP]], word)


def bin_pictures(context, chosen, line):
    """Draw the pictures of one bar of the histogram, and a table of all of them from which one can be chosen by keyboard."""
    edges, k = chosen
    inside = {of: np.flatnonzero(charts.bins_of(context.scores(of, context.focus), edges) == k) for of in (None, context.ood)}
    st.subheader(t("detect.bin", low=f"{edges[k]:.4g}", high=f"{edges[k + 1]:.4g}", known=len(inside[None]), unknown=len(inside[context.ood])))
    for of, mark in ((None, f"● {t('word.ID')}"), (context.ood, f"◆ {context.set_name(context.ood)}")):
        if len(inside[of]):
            st.caption(t("detect.bin_of", name=mark, shown=min(BIN, len(inside[of])), n=len(inside[of])))
            strip(context, [(of, int(r)) for r in inside[of][:BIN]], "bin")
    rows = [(of, int(r)) for of, found in inside.items() for r in found]
    scores = [context.scores(of, context.focus)[r] for of, r in rows]
    p = {of: compute.p_values(context.bench, of)[context.focus] for of in inside}
    key = f"bin_table_{'_'.join(map(str, (k, context.focus, context.ood)))}"

    def selected():
        lines = (st.session_state.get(key) or {}).get("selection", {}).get("rows") or []
        if lines and lines[0] < len(rows):
            _choose(context, *rows[lines[0]])

    with st.expander(t("detect.bin_table"), icon=":material/table:"):
        shown = [
            (context.name_of(of, r), t("word.ID") if of is None else t("word.OOD"), float(f"{s:.6g}"), round(100 * p[of][r], 2), verdict(s > line))
            for (of, r), s in zip(rows, scores, strict=True)
        ]
        frame_of_all = table("picture truth score p_value verdict", shown)
        st.dataframe(frame_of_all, hide_index=True, key=key, on_select=selected, selection_mode="single-row", alt=t("detect.bin_table"))


def strip(context, rows, place):
    """Draw pictures in a row that wraps; the button below each chooses it. Where a picture is not here, only the button is drawn."""
    scores = {of: context.scores(of, context.focus) for of in {of for of, _ in rows}}
    with st.grid(min_column_width=84, gap="small"):
        for of, row in rows:
            picture_id, name = context.id_of(of, row), context.name_of(of, row)
            with st.container(gap="xxsmall"):
                _thumbnail(picture_id, name)
                st.button(
                    f"{name}: {scores[of][row]:.4g}",
                    key=f"{place}_{of}_{row}",
                    width="stretch",
                    help=t("detect.choose_help"),
                    on_click=_choose,
                    args=(context, of, row),
                )


def detail(context, keep):
    """Draw what every detector says of the chosen picture."""
    chosen = _chosen(context)
    if chosen is None:
        st.caption(t("detect.choose_one"))
        if pictures.can_open(pictures.primary()):
            st.caption(t("detect.not_measured", name=plain(pictures.name_of(pictures.primary()))))
        return
    of, row = chosen
    everyone = tuple(context.bench.evaluation.known)
    lines = {d: line for d, (line, _) in compute.at_keep(context.bench, context.ood, everyone, keep / 100).items()}
    p = compute.p_values(context.bench, of)
    rows = [(detector_name(d), context.scores(of, d)[row], lines[d], 100 * p[d][row]) for d in everyone]
    says = sum(score > line for _, score, line, _ in rows)
    kind = t("word.ID") if of is None else context.set_name(of)
    st.subheader(t("detect.detail", name=context.name_of(of, row), kind=kind, says=says, n=len(rows)))
    left, right = st.columns((1, 5), gap="large")
    picture_id = context.id_of(of, row)
    with left:
        if _thumbnail(picture_id, context.name_of(of, row)):
            to_page("views/verdict.py", t("detect.to_verdict"), icon=":material/center_focus_strong:")
    with right:
        shown = [(name, float(f"{s:.6g}"), float(f"{line:.6g}"), round(q, 2), verdict(s > line)) for name, s, line, q in rows]
        st.dataframe(table("detector score threshold p_value verdict", shown), hide_index=True, key="detail", alt=t("detect.detail_alt"), height=300)


def disagreements(context, keep):
    """Draw the pictures that divide the compared detectors most."""
    if len(context.detectors) < 2:
        st.caption(t("detect.divided_needs"))
        return
    found = compute.divided(context.bench, context.ood, context.detectors, keep / 100)
    n = len(context.scores(None, context.focus)) + len(context.scores(context.ood, context.focus))
    st.subheader(t("detect.divided", n=len(found), all=n, detectors=len(context.detectors)))
    if not found:
        return
    st.caption(t("detect.divided_caption"))
    with st.grid(min_column_width=84, gap="small"):
        for of, row, votes in found[:STRIP]:
            name, mark = context.name_of(of, row), "●" if of is None else "◆"
            with st.container(gap="xxsmall"):
                _thumbnail(context.id_of(of, row), name)
                label = f"{mark} {name}: {int(votes.sum())}/{len(votes)}"
                st.button(label, key=f"divided_{of}_{row}", width="stretch", on_click=_choose, args=(context, of, row), help=t("detect.choose_help"))
    with st.expander(t("chart.table"), icon=":material/table:"):
        columns = [t("word.picture"), t("word.truth"), *(detector_name(d) for d in context.detectors)]
        rows = [(context.name_of(of, r), t("word.ID") if of is None else t("word.OOD"), *map(verdict, votes)) for of, r, votes in found[:100]]
        st.dataframe(pd.DataFrame(rows, columns=columns), hide_index=True, key="divided_table", alt=t("detect.divided_caption"))


def every_detector(context, figures, convention):
    """Draw every detector on every set. Returns: the place below, for the exact numbers."""
    names = list(context.bench.evaluation.unknown)
    values = {metric: np.array([[figures[d][s][metric] for s in names] for d in figures]) for metric in METRICS}
    detectors, mean = list(figures), values["auroc"].mean(1)
    order = np.argsort(-mean, kind="stable")
    best, second = order[0], order[min(1, len(order) - 1)]
    numbers = {
        "best": detector_name(detectors[best]),
        "auroc": f"{mean[best]:.1f}",
        "second": detector_name(detectors[second]),
        "gap": f"{mean[best] - mean[second]:.1f}",
    }
    finding = t("detect.every", n=len(names), **numbers)
    st.header(finding)
    st.markdown(_feature_norm(context, figures, mean, detectors))
    metric = pick_metric()
    higher = metric != "fpr95"
    table_of = np.column_stack([values[metric], values[metric].mean(1)])
    rows = np.argsort(-table_of[:, -1] if higher else table_of[:, -1], kind="stable")
    columns = [*(context.set_name(s) for s in names), t("word.mean")]
    labels = [detector_name(detectors[r]) for r in rows]
    words = {"metric": axis(metric)}
    ends = (50, 100) if metric == "auroc" else (0, 100)
    marked = [k for k, r in enumerate(rows) if detectors[r] == context.focus]
    figure = charts.matrix(table_of[rows], labels, columns, words, ends=ends, higher=higher, marked=marked)
    show(figure, alt=finding, table=by_detector(table_of[rows], labels, columns), key="every_detector")
    st.caption(t("detect.every_caption", focus=detector_name(context.focus), metric=words["metric"], convention=t(f"detect.convention_{convention}")))
    return st.container()


def exact_numbers(context, convention):
    """Offer all metrics with 95 % confidence intervals, as a table and as CSV: they take seconds the first time, so they wait until they are asked for."""
    with st.expander(t("detect.exact"), icon=":material/table:", key="exact", on_change="rerun") as place:
        if place.open:
            with st.spinner(t("detect.intervals")):
                figures = compute.figures(context.bench, convention, intervals=True)
            every_number(context, figures, convention)
    keep_result(context, convention)


def every_number(context, figures, convention):
    """Draw the table of all metrics."""
    known = len(next(iter(context.bench.evaluation.known.values())))
    rows = []
    for d, by_set in figures.items():
        for s, row in by_set.items():
            (a, b), (c, e) = row["ci"]["auroc"], row["ci"]["fpr95"]
            count = len(context.bench.evaluation.unknown[s][d])
            rows.append(
                (detector_name(d), context.set_name(s), row["auroc"], a, b, row["fpr95"], c, e, row["aupr_in"], row["aupr_out"], known, count, convention)
            )
    low, high = t("word.low"), t("word.high")
    columns = [t("word.detector"), t("word.set"), "AUROC, %", f"AUROC {low}", f"AUROC {high}", "FPR@95TPR, %", f"FPR@95TPR {low}", f"FPR@95TPR {high}"]
    columns += ["AUPR-In, %", "AUPR-Out, %", t("word.known_pictures"), t("word.unknown_pictures"), t("word.convention")]
    frame_of_all = pd.DataFrame(rows, columns=columns)
    st.dataframe(frame_of_all, hide_index=True, key="exact_numbers", alt=t("detect.exact"))
    st.caption(t("detect.exact_caption"))
    if convention == "odin_grid":
        st.caption(t("detect.exact_grid"))
    download_csv(frame_of_all, f"detectors-{context.settings.pack}-{convention}.csv")


def keep_result(context, convention):
    """Offer to put the figures into the run store, and the way to them once they are there."""
    of = (*context.bench.key, convention)
    if st.button(t("runs.keep"), icon=":material/inventory_2:", help=t("runs.keep_help"), key="keep_run", disabled=st.session_state.get("kept") == of):
        try:
            with st.spinner(t("detect.intervals")):
                st.session_state["run"], st.session_state["kept"] = compute.keep_run(context.bench, convention, owner()), of
            st.rerun()
        except InputError as error:
            st.error(explain(error), icon=":material/database_off:")
    if st.session_state.get("kept") == of:
        to_page("views/runs.py", t("runs.kept"), icon=":material/check:")


def every_block(context):
    """Draw every block's FeatureNorm on every set, and say how well NormRatio chose."""
    from core.evaluation import block_table

    found = block_table(context.bench.evaluation)
    if not found["auroc"]:
        return
    behind, votes = found["behind_oracle"], found["votes"]
    numbers = {"block": found["selected"], "best": found["oracle"], "n": len(found["auroc"])}
    finding = t("detect.blocks_best", **numbers) if found["selected"] == found["oracle"] else t("detect.blocks_behind", points=f"{behind:.1f}", **numbers)
    st.header(finding)
    shuffles = sum(votes.values())
    note = t("detect.blocks_votes", same=votes.get(found["selected"], 0), shuffles=shuffles, block=found["selected"]) if shuffles else ""
    st.markdown(f"{note} {t('detect.blocks_note')}")
    sets_here = list(found["auroc"])
    values = np.column_stack([*(found["auroc"][s] for s in sets_here), found["mean"]])
    marks = {found["oracle"]: t("detect.block_best"), found["selected"]: t("blocks.selected")}
    if found["selected"] == found["oracle"]:
        marks[found["selected"]] = t("detect.block_both")
    rows = [f"<b>{b}</b> ({marks[b]})" if b in marks else b for b in found["names"]]
    columns = [*(context.set_name(s) for s in sets_here), t("word.mean")]
    marked = [k for k, b in enumerate(found["names"]) if b == found["selected"]]
    words = {"metric": f"AUROC, % ({t('detect.higher')})"}
    figure = charts.matrix(values, rows, columns, words, ends=(min(50, values.min()), 100), marked=marked)
    wide = pd.DataFrame(values.round(2), columns=columns)
    wide.insert(0, t("word.block"), found["names"])
    show(figure, alt=finding, table=wide, key="every_block")


def explanation(context, convention):
    """Draw how it is measured, the code that does it, and the way on."""
    foot.how(
        t("detect.why_title"),
        (t("detect.why_scores"), r"\mathrm{TPR}(t) = P(s(x_{\mathrm{ID}}) > t) \qquad \mathrm{FPR}(t) = P(s(x_{\mathrm{OOD}}) > t)"),
        (
            t("detect.why_auroc"),
            r"\mathrm{AUROC} = P(s(x_{\mathrm{ID}}) > s(x_{\mathrm{OOD}})) + \tfrac{1}{2}\,P(s(x_{\mathrm{ID}}) = s(x_{\mathrm{OOD}}))",
        ),
        (t("detect.why_fpr"), r"\mathrm{FPR@95TPR} = \mathrm{FPR}(t_{95}), \quad \mathrm{TPR}(t_{95}) = 0.95"),
        (t("detect.why_aupr"), r"\mathrm{AUPR} = \sum_k (R_k - R_{k-1})\,P_k"),
        ("\n".join(f"- **{t(f'detect.convention_{name}')}**: {t(f'detect.says_{name}')}" for name in CONVENTIONS),),
        (t("detect.why_threshold"),),
    )
    foot.in_code(
        t("detect.code_title"),
        "from core.detectors import DETECTORS",
        "from core.evaluation import block_table, evaluate, figures",
        "from core.packs import load_pack",
        "from core.verdict import Judge",
        "",
        f'pack = load_pack("{context.settings.pack}")',
        "judge = Judge(pack.reference, tuple(DETECTORS))",
        "evaluation = evaluate(judge, pack.reference.unknown, by_permutation=pack.selection.by_permutation)",
        f'print(evaluation.accuracy, figures(evaluation, convention="{convention}")["{context.focus}"])',
        "print(block_table(evaluation))",
    )
    foot.ways("detector")


def verdict(is_known):
    return f"● {t('word.ID')}" if is_known else f"◆ {t('word.OOD')}"


def _feature_norm(context, figures, mean, detectors):
    """Say on which sets FeatureNorm beats the maximum softmax, the usual baseline, and on which it loses."""
    if not {"featurenorm", "msp"} <= set(figures):
        return ""
    gaps = {s: figures["featurenorm"][s]["auroc"] - figures["msp"][s]["auroc"] for s in figures["msp"]}
    parts = {}
    for word, inside in (("wins", [s for s in gaps if gaps[s] > 0]), ("loses", [s for s in gaps if gaps[s] <= 0])):
        inside.sort(key=lambda s: -abs(gaps[s]))
        parts[word] = ", ".join(f"{context.set_name(s)} ({gaps[s]:+.1f})" for s in inside) or t("detect.no_set")
    rank = int((mean > mean[detectors.index("featurenorm")]).sum()) + 1
    return t("detect.feature_norm", auroc=f"{mean[detectors.index('featurenorm')]:.1f}", rank=rank, n=len(detectors), **parts)


def _choose(context, of, row):
    """Make a row the one that is looked at, and its picture, where it is here, that of all pages."""
    picture_id = context.id_of(of, row)
    if pictures.can_open(picture_id):
        pictures.choose(picture_id)
        pictures.remember_in_link()
    st.session_state["detector_row"] = (context.settings.pack, pictures.primary(), of, row)


def _chosen(context):
    """Return (set or None, row) that was chosen here, or of the picture that was chosen elsewhere; None where it was not measured."""
    pack, primary, of, row = st.session_state.get("detector_row") or (None, None, None, None)
    if (pack, primary) == (context.settings.pack, pictures.primary()) and (of is None or of in context.bench.evaluation.unknown):
        return of, row
    return context.locate(pictures.primary())


def _thumbnail(picture_id, name):
    """Draw a small picture if it is here. Returns: whether it is."""
    if not pictures.can_open(picture_id):
        return False
    try:
        st.image(pictures.thumbnail(picture_id), width="stretch", alt=name)
    except InputError:
        return False
    return True


main()
