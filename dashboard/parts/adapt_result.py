"""How a run of adaptation goes or went: the finding, errors, what else moves. Drawn from plain data, the same while it runs and afterwards."""

import json
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from core.adaptation.plan import Plan
from dashboard.charts import adaptation as charts
from dashboard.language import adaptation_name, corruption_name, t
from dashboard.parts.chart import CONFIG, download_csv, show, table

CLOSE = 0.5  # points of error: nearer than that, neither is called better


@dataclass(frozen=True)
class Result:
    """A run up to a batch.

    Attributes: plan; rows: {method: list of rows}; selections: {method: document of a `BlockSelection`}; batches: in all; pictures: {batch: (K, S, S, 3)
        uint8}; blocks: {method: names of the blocks that it tunes apart}.
    """

    plan: Plan
    rows: dict
    selections: dict
    blocks: dict
    batches: int
    pictures: dict

    def until(self, batch):
        """Return the run as it was after a batch."""
        return Result(self.plan, {m: rows[:batch] for m, rows in self.rows.items()}, self.selections, self.blocks, self.batches, self.pictures)

    @property
    def done(self):
        """Return how many batches the furthest method has seen."""
        return max(map(len, self.rows.values()), default=0)

    @property
    def domains(self):
        """Return the domain of each batch, as far as it is known."""
        return [row["domain"] for row in max(self.rows.values(), key=len, default=[])]


def result_of(document, plan, pictures):
    """Read a run's document. Args: as `core.adaptation.live.Adaptation.document`, or what the run store gives back."""
    lanes = document["methods"]
    return Result(
        plan,
        {name: lane["rows"] for name, lane in lanes.items()},
        {name: lane["selection"] for name, lane in lanes.items() if lane["selection"]},
        {name: lane["summary"]["selected_blocks"] for name, lane in lanes.items() if lane["summary"]["selected_blocks"]},
        document["batches"] or 1,
        pictures,
    )


def draw(result, other=None, *, live=False):
    """Draw how much a run errs, and on which pictures. Args: other: a `Result` to compare with; live: whether more is to come."""
    if not result.done:
        return
    finding = found(result)
    st.header(finding)
    names = {domain: corruption_name(domain) for domain in result.domains}
    tracks = {adaptation_name(m): ([_percent(r["error"]) for r in rows], [_percent(r["running"]) for r in rows]) for m, rows in result.rows.items() if rows}
    if other is not None:
        theirs = {t("adapt.other", method=adaptation_name(m)): rows for m, rows in other.rows.items() if rows}
        tracks |= {name: ([None] * len(rows), [_percent(r["running"]) for r in rows]) for name, rows in theirs.items()}
    words = {"batch": t("adapt.batch", n=result.plan.batch_size), "error": t("adapt.error_axis")}
    most = max(result.batches, other.batches if other else 0)
    _show(charts.errors(tracks, most, result.domains, names, words), finding, _errors_table, result, key="adapt_errors", live=live)
    st.caption(t("adapt.error_caption"))
    by_domain(result)
    alarms(result)
    pictures(result)


def draw_more(result, *, live=False):
    """Draw what else moves: blocks, the OOD detector, entropy, classes."""
    if not result.done:
        return
    names = {domain: corruption_name(domain) for domain in result.domains}
    left, right = st.columns(2, gap="large")
    with left:
        drift(result, live=live)
        surety(result, names, live=live)
    with right:
        detector(result, names, live=live)
        spread(result, names, live=live)


def found(result):
    """Say what a run has shown so far: which method errs least, against the model as it is where that runs too."""
    shared = min(len(rows) for rows in result.rows.values() if rows)
    running = {m: rows[shared - 1]["running"] for m, rows in result.rows.items() if rows and rows[shared - 1]["running"] is not None}
    numbers = {"batch": shared, "batches": result.batches}
    if not running:
        return t("adapt.found_unlabelled", **numbers)
    best = min(running, key=running.get)
    source = result_source(result, shared)
    errs = {"method": adaptation_name(best), "error": f"{100 * running[best]:.1f}"}
    if source is None:
        return t("adapt.found_one", **errs, **numbers)
    gain = 100 * (source - running[best])
    if best == "source" or gain < CLOSE:
        return t("adapt.found_none", error=f"{100 * source:.1f}", **numbers)
    return t("adapt.found", source=f"{100 * source:.1f}", gain=f"{gain:.1f}", **errs, **numbers)


def result_source(result, batch):
    """Return the running error of the model as it is after a batch, or None."""
    return next((rows[batch - 1]["running_before"] for rows in result.rows.values() if len(rows) >= batch), None)


def by_domain(result):
    """Draw the error of each method under each corruption as a table."""
    heads, sums = list(dict.fromkeys(d for rows in result.rows.values() for r in rows for d in r["counts"])), {}
    for method, rows in result.rows.items():
        for row in rows:
            for domain, (wrong, count) in row["counts"].items():
                a, b = sums.get((method, domain), (0, 0))
                sums[method, domain] = a + wrong, b + count
    lines = []
    for method, rows in result.rows.items():
        if rows:
            errors = [100 * sums[method, d][0] / sums[method, d][1] if (method, d) in sums else None for d in heads]
            known = [e for e in errors if e is not None]
            seconds = sum(r["seconds"] for r in rows) / sum(r["n"] for r in rows) * 1000
            mean = sum(known) / len(known) if known else None
            lines.append((adaptation_name(method), *errors, mean, seconds, 100 * rows[-1]["ece"] if rows[-1]["ece"] is not None else None))
    columns = [t("word.adaptation"), *(corruption_name(d) for d in heads), t("adapt.mean"), t("adapt.seconds"), t("adapt.ece")]
    frame = pd.DataFrame(lines, columns=columns)
    percent = {name: st.column_config.NumberColumn(format="%.1f %%") for name in (*columns[1 : len(heads) + 2], columns[-1])}
    st.dataframe(
        frame,
        hide_index=True,
        key="adapt_domains",
        alt=t("adapt.domains"),
        column_config=percent | {columns[-2]: st.column_config.NumberColumn(format="%.2f s")},
    )
    st.caption(t("adapt.domains"))


def alarms(result):
    """Say where the guard saw a method collapse."""
    for method, rows in result.rows.items():
        raised = [row for row in rows if row["alarm"]]
        if raised:
            signs = ", ".join(t(f"adapt.sign_{name}") for name in raised[0]["raised"]) or t("adapt.sign_broken")
            back = next((row["went_back"] for row in raised if row["went_back"]), None)
            then = t(f"adapt.went_back_{back}") if back else t("adapt.went_on")
            numbers = {"batch": raised[0]["batch"], "n": len(raised)}
            st.warning(t("adapt.alarm", method=adaptation_name(method), signs=signs, then=then, **numbers), icon=":material/crisis_alert:")


def pictures(result):
    """Draw the pictures of the latest batch, right or wrong before and after."""
    methods = list(result.rows)
    if st.session_state.get("adapt_eye") not in methods:
        st.session_state["adapt_eye"] = methods[-1]
    titles = {m: adaptation_name(m) for m in methods}
    method = st.segmented_control(t("adapt.eye"), methods, format_func=titles.get, required=True, key="adapt_eye")
    if not result.rows[method]:
        st.caption(t("adapt.eye_waits", method=titles[method]))
        return
    row = result.rows[method][-1]
    shown = result.pictures.get(row["batch"])
    if shown is None:
        return
    n = min(len(shown), len(row["labels"]))
    rows = list(zip(row["before"][:n], row["predicted"][:n], row["labels"][:n], strict=True))
    known = [one for one in rows if one[2] >= 0]
    right = {"before": sum(b == y for b, _, y in known), "after": sum(a == y for _, a, y in known), "n": len(known)}
    words = t("adapt.sheet", method=adaptation_name(method), batch=row["batch"], domain=corruption_name(row["domain"]), **right)
    st.image(charts.marked(shown[:n], *zip(*rows, strict=True)), alt=words)
    more = t("adapt.sheet_unknown", n=n - len(known)) if n > len(known) else ""
    more += t("adapt.sheet_gate", n=round(row["accepted"] * row["n"]), of=row["n"]) if row.get("accepted") is not None else ""
    st.caption(words + more)


def drift(result, *, live):
    """Draw how far each block's weights, or what they say, have moved from the source."""
    kinds = {"drift": t("adapt.drift_weights"), "features": t("adapt.drift_features")}
    if st.session_state.get("adapt_drift") not in kinds:
        st.session_state["adapt_drift"] = "drift"
    kind = st.session_state["adapt_drift"]
    values = {m: rows[-1][kind] for m, rows in result.rows.items() if rows and rows[-1][kind] and None not in rows[-1][kind].values()}
    if not values:
        return
    blocks = list(next(iter(values.values())))
    selected = {block for names in result.blocks.values() for block in names}
    most = {m: max(v, key=v.get) for m, v in values.items() if max(v.values()) > 0}
    leader = max(most, key=lambda m: values[m][most[m]], default=None)
    finding = (
        t(f"adapt.drift_found_{kind}", method=adaptation_name(leader), block=most[leader], percent=f"{100 * values[leader][most[leader]]:.1f}")
        if leader
        else t("adapt.drift_none")
    )
    st.subheader(finding)
    st.segmented_control(t("adapt.drift"), list(kinds), format_func=kinds.get, required=True, key="adapt_drift", label_visibility="collapsed")
    words = {"block": t("word.block"), "value": t(f"adapt.drift_axis_{kind}")}
    tracks = {adaptation_name(m): [100 * v[b] for b in blocks] for m, v in values.items()}
    figure = charts.drift(blocks, tracks, selected, words)
    _show(figure, finding, lambda found: pd.DataFrame({t("word.block"): blocks, **found}), tracks, key="adapt_drift_chart", live=live)
    if selected:
        st.caption(t("adapt.star"))


def detector(result, names, *, live):
    """Draw what becomes of the OOD detector meanwhile."""
    tracks = {adaptation_name(m): [_percent(r["auroc"]) for r in rows] for m, rows in result.rows.items() if any(r["auroc"] is not None for r in rows)}
    if not tracks:
        return
    last = {m: next(v for v in reversed(values) if v is not None) for m, values in tracks.items()}
    best, worst = max(last, key=last.get), min(last, key=last.get)
    if last[best] - last[worst] < 1:
        finding = t("adapt.auroc_same", auroc=f"{last[best]:.0f}")
    else:
        finding = t("adapt.auroc_found", best=best, high=f"{last[best]:.0f}", worst=worst, low=f"{last[worst]:.0f}")
    st.subheader(finding)
    words = {"batch": t("adapt.batch", n=result.plan.batch_size), "value": t("adapt.auroc_axis")}
    _show(charts.lines(tracks, result.batches, result.domains, names, words), finding, _wide, tracks, key="adapt_auroc", live=live)
    st.caption(t("adapt.auroc_caption"))


def surety(result, names, *, live):
    """Draw how unsure the answers are, with the alarms."""
    tracks = {adaptation_name(m): [r["entropy"] for r in rows] for m, rows in result.rows.items() if rows}
    finding = _alarm_finding(result, "entropy")
    st.subheader(finding)
    words = {"batch": t("adapt.batch", n=result.plan.batch_size), "value": t("adapt.entropy_axis"), "alarm": t("adapt.alarm_mark")}
    figure = charts.lines(tracks, result.batches, result.domains, names, words, marks=_alarm_marks(result))
    _show(figure, finding, _wide, tracks, key="adapt_entropy", live=live)


def spread(result, names, *, live):
    """Draw how many classes are answered, with the alarms."""
    tracks = {adaptation_name(m): [r["classes"] for r in rows] for m, rows in result.rows.items() if rows}
    last = {m: values[-1] for m, values in tracks.items()}
    fewest = min(last, key=last.get)
    finding = t("adapt.classes_found", method=fewest, n=f"{last[fewest]:.1f}")
    st.subheader(finding)
    words = {"batch": t("adapt.batch", n=result.plan.batch_size), "value": t("adapt.classes_axis"), "alarm": t("adapt.alarm_mark")}
    figure = charts.lines(tracks, result.batches, result.domains, names, words, marks=_alarm_marks(result))
    _show(figure, finding, _wide, tracks, key="adapt_classes", live=live)


def selection(document):
    """Draw which blocks DPLOT tunes alone, and why. Args: of a `BlockSelection`, as plain data."""
    blocks, scaled, chosen = document["blocks"], document["scaled"], set(document["selected"])
    finding = t("adapt.selection_found", n=len(chosen), of=len(blocks), names=", ".join(b for b in blocks if b in chosen))
    with st.expander(finding, icon=":material/stacked_bar_chart:"):
        st.markdown(t("adapt.selection_why", threshold=f"{document['threshold']:g}", n=f"{document['pictures']:,}"))
        words = {"block": t("word.block"), "value": t("adapt.similarity_axis"), "selected": t("adapt.tuned_alone"), "left": t("adapt.not_tuned_alone")}
        rows = list(zip(blocks, (round(s, 5) for s in document["similarity"]), (round(s, 4) for s in scaled), strict=True))
        frame = pd.DataFrame(rows, columns=[t("word.block"), t("adapt.similarity"), t("adapt.similarity_axis")])
        show(charts.similarity(blocks, scaled, chosen, document["threshold"], words), alt=finding, table=frame, key="adapt_selection")


def export(document, result, name):
    """Offer a run as CSV, a line a batch and method, and as JSON, the whole of it."""
    plain = ("batch", "domain", "severity", "n", "error", "running", "error_before", "entropy", "confidence", "classes", "ece", "auroc", "seconds", "alarm")
    rows = [{"method": m, **{k: row[k] for k in plain}} for m, rows in result.rows.items() for row in rows]
    with st.container(horizontal=True, gap="small"):
        download_csv(pd.DataFrame(rows), f"adaptation-{name}.csv")
        whole = json.dumps(document, ensure_ascii=False, indent=1)
        st.download_button(t("runs.export"), whole, f"adaptation-{name}.json", "application/json", icon=":material/download:", on_click="ignore")


def _show(figure, finding, tabled, numbers, *, key, live):
    """Draw a chart, and its table where it stands still: a table that changes twice a second is read by nobody. Args: tabled: numbers -> DataFrame."""
    if live:
        st.plotly_chart(figure, alt=finding, key=f"{key}_live", config=CONFIG)
    else:
        show(figure, alt=finding, table=tabled(numbers), key=key)


def _alarm_marks(result):
    return {adaptation_name(m): [row["batch"] for row in rows if row["alarm"]] for m, rows in result.rows.items()}


def _alarm_finding(result, kind):
    last = {adaptation_name(m): rows[-1][kind] for m, rows in result.rows.items() if rows and rows[-1][kind] is not None}
    if not last:
        return t("adapt.entropy_axis")
    surest = min(last, key=last.get)
    return t("adapt.entropy_found", method=surest, entropy=f"{last[surest]:.2f}")


def _errors_table(result):
    rows = []
    for method, found in result.rows.items():
        for r in found:
            rows.append((r["batch"], corruption_name(r["domain"]), adaptation_name(method), _percent(r["error"]), _percent(r["running"])))
    return table("batch domain adaptation error running", rows)


def _wide(tracks):
    """Return a line a batch, a column a method."""
    most = max(map(len, tracks.values()))
    return pd.DataFrame({t("word.batch"): range(1, most + 1), **{name: [*values, *[None] * (most - len(values))] for name, values in tracks.items()}})


def _percent(fraction):
    return None if fraction is None else round(100 * fraction, 2)
