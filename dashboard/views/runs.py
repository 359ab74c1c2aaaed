"""What was measured before? Results that were kept: reopened, compared, linked to."""

import json

import numpy as np
import pandas as pd
import streamlit as st

from core.errors import InputError
from dashboard import compute
from dashboard.charts import detector as charts
from dashboard.language import detector_name, explain, set_name, t
from dashboard.language.text import plain
from dashboard.parts import choices, foot
from dashboard.parts.chart import show
from dashboard.parts.frame import frame
from dashboard.parts.link import to_page
from dashboard.parts.metrics import METRICS, axis, by_detector, pick_metric
from dashboard.parts.person import forget_button, owner

LISTED = 100


def main():
    frame()
    st.title(t("runs.title"))
    try:
        listed = compute.runs("bench", LISTED, owner())
        chosen = {key: _named(key, listed) for key in ("run", "with")}
    except InputError as error:
        st.error(explain(error), icon=":material/database_off:")
        return
    if not listed and chosen["run"] is None:
        st.info(t("runs.empty"), icon=":material/inventory_2:")
        foot.code("python -m core bench --pack toybox --id toybox:test --ood near=toybox:near")
        to_page("views/detector.py", t("runs.measure"), icon=":material/query_stats:")
        return
    names = {run.id: _title(run) for run in [*listed, *filter(None, chosen.values())]}
    first, second = pick(names)
    run, other = compute.run(first), compute.run(second) if second else None
    if other is not None and not shared(run, other)[0]:
        st.info(t("runs.nothing_shared"), icon=":material/compare_arrows:")
        other = None
    metric = pick_metric()
    if other is None:
        one(run, metric)
    else:
        compare(run, other, metric)
    for each in filter(None, (run, other)):
        made(each)
    everything(listed)


def pick(names):
    """Draw which run is looked at and which it is compared with. Returns: (id, id or None)."""
    left, right = st.columns(2, gap="medium")
    first = choices.select("run", t("runs.run"), names, next(iter(names)), on=left)
    others = {"": t("runs.with_none"), **names}
    second = choices.select("with", t("runs.with"), others, "", on=right)
    return first, second if second != first else None


def one(run, metric):
    """Draw one run's table of detectors and sets."""
    detectors, sets, values = numbers(run, metric)
    higher, mean = metric != "fpr95", values.mean(1)
    order = np.argsort(-mean if higher else mean, kind="stable")
    best = detectors[order[0]]
    finding = t("runs.found", best=detector_name(best), metric=METRICS[metric], value=f"{mean[order[0]]:.1f}", n=len(sets))
    st.header(finding)
    accuracy(run)
    columns, labels = [*map(set_name, sets), t("word.mean")], [detector_name(detectors[k]) for k in order]
    cells = np.column_stack([values, mean])[order]
    figure = charts.matrix(cells, labels, columns, {"metric": axis(metric)}, ends=(50, 100) if metric == "auroc" else (0, 100), higher=higher)
    show(figure, alt=finding, table=by_detector(cells, labels, columns), key="one_run")


def compare(run, other, metric):
    """Draw what changed from one run to another, on the detectors and sets that both have."""
    detectors, sets = shared(run, other)
    a, b = (np.array([[r.result["detectors"][d][s][metric] for s in sets] for d in detectors]) for r in (run, other))
    higher = metric != "fpr95"
    gain = (b - a) if higher else (a - b)
    mean = gain.mean(1)
    finding = t("runs.compared", better=int((mean > 0).sum()), worse=int((mean < 0).sum()), n=len(detectors), sets=len(sets), metric=METRICS[metric])
    st.header(finding)
    if run.result["convention"] != other.result["convention"]:
        st.warning(t("runs.conventions", one=_convention(run), other=_convention(other)), icon=":material/warning:")
    accuracy(run)
    accuracy(other)
    order = np.argsort(-mean, kind="stable")
    columns, labels = [*map(set_name, sets), t("word.mean")], [detector_name(detectors[k]) for k in order]
    cells = np.column_stack([b - a, (b - a).mean(1)])[order]
    reach = max(1.0, float(np.abs(cells).max()))
    words = {"metric": t("runs.change", metric=axis(metric))}
    figure = charts.matrix(cells, labels, columns, words, ends=(-reach, reach), higher=higher)
    show(figure, alt=finding, table=by_detector(cells, labels, columns), key="two_runs")
    st.caption(t("runs.change_caption"))


def accuracy(run):
    """Say a run's ID accuracy, without which nothing else means anything."""
    value = run.result["accuracy"]
    text = t("runs.no_labels") if value is None else t("runs.accuracy", accuracy=f"{value:.1f}", n=run.result["pictures"]["known"])
    st.markdown(f"{plain(_title(run))}: {text} {t('runs.convention', convention=_convention(run))}")


def made(run):
    """Draw what made a run, and offer the whole of it as JSON."""
    finding = t("runs.made", title=plain(_title(run)))
    with st.expander(finding, icon=":material/build:"):
        facts = {key: json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value) for key, value in run.made_by.items()}
        facts = {"id": run.id, "created": run.created.isoformat(timespec="seconds"), **facts}
        heads = [t("word.fact"), t("word.value")]
        st.dataframe(pd.DataFrame(facts.items(), columns=heads), hide_index=True, key=f"made_{run.id}", alt=finding)
        whole = json.dumps({**facts, "result": run.result}, ensure_ascii=False, indent=1)
        file = f"run-{run.id}.json"
        st.download_button(t("runs.export"), whole, file, "application/json", icon=":material/download:", on_click="ignore", key=f"json_{run.id}")
        forget_button(run)


def everything(listed):
    """Draw all runs as a table."""
    with st.expander(t("runs.all", n=len(listed)), icon=":material/list:"):
        rows = [(r.title, r.created, r.result["accuracy"], _convention(r), len(r.result["detectors"]), r.id) for r in listed]
        heads = [t(f"word.{word}") for word in ("title", "created", "accuracy", "convention", "detectors", "id")]
        st.dataframe(pd.DataFrame(rows, columns=heads), hide_index=True, key="all_runs", alt=t("runs.all", n=len(listed)))


def numbers(run, metric):
    """Return (detectors, sets, (D, S) array of one metric in percent)."""
    table = run.result["detectors"]
    detectors, sets = list(table), list(next(iter(table.values())))
    return detectors, sets, np.array([[table[d][s][metric] for s in sets] for d in detectors])


def shared(run, other):
    """Return the detectors and the sets that both runs have, in the order of the first; two empty lists where either is missing."""
    a, b = run.result["detectors"], other.result["detectors"]
    detectors = [d for d in a if d in b]
    sets = [s for s in a[detectors[0]] if s in b[detectors[0]]] if detectors else []
    return (detectors, sets) if sets else ([], [])


def _named(key, listed):
    """Return the run that the link names where the list lacks it. Raises: InputError if there is none."""
    wish = st.query_params.get(key)
    if not wish or key in st.session_state or wish in {run.id for run in listed}:
        return None
    found = compute.run(wish)
    if found.kind != "bench":  # such as a run of adaptation, which has a page of its own
        raise InputError(f"The run {wish!r} is no measurement of detectors; choose one of the list.", key="runs.kind", id=wish)
    return found


def _convention(run):
    return t(f"detect.convention_{run.result['convention']}")


def _title(run):
    return f"{run.title} ({run.created:%Y-%m-%d %H:%M} UTC)"


main()
