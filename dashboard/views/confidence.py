"""How sure is the model of what it does not know? Confidence of known and unknown pictures, before and after the selected norm."""

import numpy as np
import streamlit as st

from core.metrics import fpr
from dashboard import compute
from dashboard.charts import confidence as charts
from dashboard.charts.pictures import enlarged
from dashboard.language import class_name, set_name, t
from dashboard.language.text import plain
from dashboard.parts import choices, foot
from dashboard.parts.chart import download_csv, show, table
from dashboard.parts.frame import frame, load
from dashboard.parts.looks import look_at
from dashboard.parts.picker import gallery_ids
from dashboard.session import pictures

LENGTHS = ("kept", "paper")
LEVELS = (50.0, 80.0, 90.0, 95.0, 99.0, 99.9)  # percent from which a picture counts as confident
THRESHOLDS = (*map(float, range(0, 90, 5)), *map(float, range(90, 100)), 99.5, 99.9, 99.95, 99.99, 99.999)  # percent
CONVENTION = "id_positive"
KINDS = {"known": "ID", "jigsaw": "puzzle"}  # every other set is "OOD"
MARKS = {"ID": "●", "puzzle": "▦", "OOD": "◆"}
EQUAL = 1.0  # points of FPR@95TPR: closer than that, neither is called better
ROUND = 6  # digits, so that three pictures of 300 are 1 point and not 0.9999999


def main():
    settings = frame()
    st.title(t("confidence.title"))
    found = st.container()
    ood, form, axis, level, length = controls(settings)
    load(settings)
    data = compute.confidences(settings.pack, raw=length == "paper")
    pictures.begin_with(gallery_ids(settings)[0])
    looks = look_at(settings, [pictures.primary(), pictures.pinned()])
    marks = {i: compute.confidence_of(settings.pack, look.measured, raw=length == "paper") for i, look in looks.items()}
    with found:
        finding = findings(data, ood, level)
    note(settings, data, length)
    distribution(data, ood, form, axis, level, marks, finding)
    picture_lines(settings, looks, marks)
    st.divider()
    sweep(settings.pack, ood, axis, length)
    st.divider()
    every_set(data, level, length)
    explanation(settings, data, ood, level, length)


def controls(settings):
    """Draw what to compare and how to look at it. Returns: (set or None, form, axis, percent, length)."""
    unknown = [name for name in settings.facts["sets"] if name != "jigsaw"]
    forms, axes = ({name: t(f"confidence.{kind}_{name}") for name in names} for kind, names in (("form", charts.FORMS), ("axis", charts.AXES)))
    lengths, percents = {name: t(f"confidence.length_{name}") for name in LENGTHS}, {level: f"{level:g} %" for level in LEVELS}
    names = {name: marked(name) for name in unknown}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        ood = choices.select("ood", t("confidence.ood"), names, unknown[0], width=220) if unknown else None
        form = choices.segments("form", t("confidence.form"), forms, "histogram")
        axis = choices.segments("axis", t("confidence.axis"), axes, "nines", help=t("confidence.axis_help"))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        level = choices.steps("level", t("confidence.level"), percents, 90.0, width=300)
        length = choices.segments("length", t("confidence.length"), lengths, "kept", help=t("confidence.length_help"))
    return ood, form, axis, level, length


def findings(data, ood, level):
    """Say how right the model is and how many pictures of each kind it is confident of. Returns: the finding of the first chart."""
    accuracy = {kind: float(data.accuracy(kind)) for kind in data.passes}
    n = int(np.isfinite(data.right["before"]).sum())
    if n:
        numbers = {"accuracy": percent(accuracy["before"]), "n": n}
        sentence = t("confidence.accuracy", **numbers)
        if "after" in accuracy:
            sentence += " " + t("confidence.accuracy_after", accuracy=percent(accuracy["after"]))
        st.markdown(sentence)
    else:
        st.markdown(t("confidence.accuracy_none"))
    shares = {kind: {name: percent(sure(values, level)) for name, values in sets.items()} for kind, sets in data.passes.items()}
    subject = ood or ("jigsaw" if "jigsaw" in shares["before"] else "known")
    numbers = {"name": set_name(subject), "level": f"{level:g}", "share": shares["before"][subject]}
    finding = t("confidence.found_after", **numbers, after=shares["after"][subject]) if "after" in shares else t("confidence.found", **numbers)
    st.header(finding)
    others = [name for name in ("known", "jigsaw") if name in shares["before"] and name != subject]
    listed = [", ".join(f"{set_name(name)} {shares[kind][name]}\u00a0%" for name in others) for kind in shares]
    if others:
        st.markdown(t("confidence.others_after" if len(listed) > 1 else "confidence.others", **dict(zip(("before", "after"), listed, strict=False))))
    return finding


def note(settings, data, length):
    """Say what "after" means here, or why there is none."""
    if "after" not in data.passes:
        st.info(t("confidence.no_head"), icon=":material/info:")
        return
    numbers = {"factor": f"{data.factor:.2f}", "length": f"{data.length:.2f}", "norm": f"{data.norm:.2f}", "block": data.block}
    sentence = t(f"confidence.note_{length}", **numbers)
    if data.block == compute.choice(settings.facts).blocks[-1]:
        sentence += " " + t("confidence.note_last", block=data.block)
    st.caption(sentence)


def distribution(data, ood, form, axis, level, marks, finding):
    """Draw how confidence is spread, before and after."""
    names = list(data.passes["before"]) if form == "ridge" else [n for n in ("known", "jigsaw", ood) if n in data.passes["before"]]
    sets = [(name, KINDS.get(name, "OOD")) for name in names]
    passes = [(pass_name(kind, data), [(marked(n), of, values[n]) for n, of in sets]) for kind, values in data.passes.items()]
    points = [(name, [mark[kind][0] for kind in data.passes]) for name, mark in zip(pictures.names_of(marks), marks.values(), strict=True)]
    words = {name: t(f"confidence.{name}") for name in ("confidence", "cumulative", "median")}
    words |= {"share": t("word.share"), "level": t("confidence.level_line", level=f"{level:g}")}
    if form == "ridge":
        figure = charts.ridges(passes, level / 100, points, words, axis=axis)
        st.caption(t("confidence.ridge_caption"))
    else:
        figure = charts.distributions(passes, level / 100, points, words, form=form, axis=axis)
    rows = []
    for title, of_pass in passes:
        for name, _, values in of_pass:
            rows.append((title, name, len(values), *(in_table(q) for q in np.quantile(values, (0.25, 0.5, 0.75))), float(percent(sure(values, level)))))
    show(figure, alt=finding, table=table("pass set count quarter median three_quarters sure", rows), key=f"confidence_{form}")


def picture_lines(settings, looks, marks):
    """Draw each single picture beside what its confidence was and became."""
    for name, (i, look) in zip(pictures.names_of(looks), looks.items(), strict=True):
        with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
            st.image(enlarged(look.seen, 64), width=64, alt=t("confidence.alt_picture", name=name))
            told = {kind: (charts.in_percent(c), class_name(settings.facts["classes"][k])) for kind, (c, k) in marks[i].items()}
            sentence = t("confidence.picture", name=plain(name), share=told["before"][0], says=told["before"][1])
            if "after" in told:
                sentence += " " + t("confidence.picture_after", share=told["after"][0], says=told["after"][1])
            st.markdown(sentence, width="stretch")


@st.fragment
def sweep(pack, ood, axis, length):
    """Let a threshold on confidence decide: what it keeps, before and after. Moving it runs only this part again."""
    data = compute.confidences(pack, raw=length == "paper")
    found = st.container()
    labels = {value: f"{value:g} %" for value in THRESHOLDS}
    threshold = choices.steps("least", t("confidence.threshold"), labels, 90.0, help=t("confidence.threshold_help"))
    unknown = ood or ("jigsaw" if "jigsaw" in data.passes["before"] else None)
    finding = told_at(data, unknown, threshold)
    found.header(finding)
    st.dataframe(counts(data, ood, threshold), hide_index=True, key="sweep_counts", alt=finding)
    end = charts.end_of([values[name] for values in data.passes.values() for name in ("known", unknown) if name])
    passes = [(pass_name(kind, data), curves(data, kind, unknown, charts.sweep_at(axis, end))) for kind in data.passes]
    words = {"known": t("confidence.tpr"), "right": t("confidence.right"), "kept": t("confidence.kept"), "confidence": t("confidence.threshold_axis")}
    words |= {"unknown": t("confidence.fpr", name=marked(unknown)) if unknown else "", "share": t("word.share")}
    words["threshold"] = t("confidence.threshold_line", threshold=f"{threshold:g}")
    figure = charts.sweep(passes, threshold / 100, words, axis=axis, end=end)
    rows = []
    for kind in data.passes:
        at = curves(data, kind, unknown, np.array(THRESHOLDS) / 100)
        for i, value in enumerate(THRESHOLDS):
            cells = (at[name][i] if name in at else np.nan for name in ("known", "unknown", "right", "kept"))
            rows.append((pass_name(kind, data), value, *(round(100 * float(cell), 2) for cell in cells)))
    show(figure, alt=finding, table=table("pass threshold_percent tpr fpr accuracy_kept kept", rows), key="sweep_chart")


def curves(data, kind, unknown, thresholds):
    """Return {curve: shares} at thresholds, as `charts.sweep` wants them."""
    known = data.accepted(kind, "known", thresholds)
    found = {"known": known, "right": data.accuracy(kind, thresholds)}
    if unknown:
        sizes = [len(data.passes[kind][name]) for name in ("known", unknown)]
        found["unknown"] = data.accepted(kind, unknown, thresholds)
        found["kept"] = (sizes[0] * known + sizes[1] * found["unknown"]) / sum(sizes)
    return found


def told_at(data, unknown, threshold):
    """Say in words what a threshold keeps."""
    numbers = {}
    for kind in data.passes:
        at = {name: percent(float(value)) for name, value in curves(data, kind, unknown, threshold / 100).items()}
        numbers |= {f"tpr_{kind}": at["known"], f"fpr_{kind}": at.get("unknown")}
    sentence = f"confidence.sweep_{'unknown' if unknown else 'known'}{'_after' if 'after' in data.passes else ''}"
    return t(sentence, threshold=f"{threshold:g}", name=set_name(unknown) if unknown else "", **numbers)


def counts(data, ood, threshold):
    """Count what a threshold keeps. Returns: a DataFrame with a column for each pass."""

    def part(some, of):
        return f"{some:,} / {of:,} = {percent(some / of)} %" if of else "–"

    columns = []
    for kind, sets in data.passes.items():
        above = {name: int((values > threshold / 100).sum()) for name, values in sets.items()}
        right = data.right[kind][(sets["known"] > threshold / 100) & np.isfinite(data.right[kind])]
        column = {t("confidence.row_known"): part(above["known"], len(sets["known"])), t("confidence.row_right"): part(int(right.sum()), len(right))}
        shown = [name for name in (ood, "jigsaw") if name in sets]
        column |= {t("confidence.row_unknown", name=marked(name)): part(above[name], len(sets[name])) for name in shown}
        if shown:
            every = ("known", shown[0])
            total = part(sum(above[name] for name in every), sum(len(sets[name]) for name in every))
            column[t("confidence.row_kept", name=marked(shown[0]))] = total
        columns.append(column)
    heads = ["what", *(f"{kind}_count" for kind in data.passes)]
    return table(" ".join(heads), [(row, *(column[row] for column in columns)) for row in columns[0]])


def every_set(data, level, length):
    """Draw a table of all sets, say where the selected norm helps and where not, and offer it as CSV."""
    kinds, unknown = list(data.passes), [name for name in data.passes["before"] if name != "known"]
    false = {kind: {n: false_positives(data.passes[kind], n) for n in unknown} for kind in kinds}
    confident = {kind: {n: 100 * sure(values, level) for n, values in data.passes[kind].items()} for kind in kinds}
    if len(kinds) > 1 and unknown:
        gained = np.array([false["before"][n] - false["after"][n] for n in unknown]).round(ROUND)
        more = np.array([confident["after"][n] - confident["before"][n] for n in unknown])
        better, worse = int((gained >= EQUAL).sum()), int((gained <= -EQUAL).sum())
        finding = t("confidence.sets_after", better=better, worse=worse, same=len(unknown) - better - worse, n=len(unknown), margin=f"{EQUAL:g}")
        beside = t("confidence.sets_sure", level=f"{level:g}", fewer=int((more < 0).sum()), more=int((more > 0).sum()), n=len(unknown))
    elif unknown:
        lowest, highest = (f"{pick(false['before'].values()):.1f}" for pick in (min, max))
        finding, beside = t("confidence.sets_before", lowest=lowest, highest=highest), ""
    else:
        finding, beside = t("confidence.sets_none"), ""
    st.header(finding)
    cooled = {}
    if length == "paper" and len(kinds) > 1:
        cooled = {n: false_positives(data.cooled, n) for n in unknown}
        fewer = sum(round(false["before"][n] - cooled[n], ROUND) >= EQUAL for n in unknown)
        beyond = sum(round(cooled[n] - false["after"][n], ROUND) >= EQUAL for n in unknown)
        beside += " " + t("confidence.sets_cooled", ratio=f"{data.length / data.norm:.2f}", fewer=fewer, beyond=beyond, n=len(unknown), margin=f"{EQUAL:g}")
    if beside:
        st.markdown(beside)
    rows = []
    for name, values in data.passes["before"].items():
        row = [marked(name), len(values)]
        row += [round(false[kind][name], 1) if name in false[kind] else None for kind in kinds]
        row += [round(cooled[name], 1) if name in cooled else None] if cooled else []
        row += [round(float(confident[kind][name]), 1) for kind in kinds]
        row += [in_table(np.median(data.passes[kind][name])) for kind in kinds]
        rows.append(row)
    heads = [f"{figure}_{kind}" for figure in ("fpr", "sure", "median") for kind in kinds]
    heads[len(kinds) : len(kinds)] = ["fpr_cooled"] if cooled else []
    frame_of_all = table(" ".join(["set", "count", *heads]), rows)
    st.dataframe(frame_of_all, hide_index=True, height="content", placeholder="–", key="every_set", alt=finding)
    st.caption(t("confidence.sets_caption", level=f"{level:g}", margin=f"{EQUAL:g}"))
    download_csv(frame_of_all, "confidence.csv")


def explanation(settings, data, ood, level, length):
    """Draw the formulas, the code that does it, and the way on."""
    foot.how(
        t("confidence.why_title"),
        (t("confidence.why_softmax"), r"\mathrm{confidence}(x) = \max_k \frac{e^{z_k(x)}}{\sum_j e^{z_j(x)}}, \qquad z(x) = W f(x) + b"),
        (t("confidence.why_over"), r"z'(x) = W \left( c\,N_s(x)\,\frac{f(x)}{\lVert f(x) \rVert} \right) + b"),
        (t("confidence.why_norm"),),
        (t("confidence.why_sources"),),
    )
    if "after" in data.passes and ood:
        foot.in_code(
            t("confidence.code_title"),
            "from core.detectors.logits import msp",
            "from core.detectors.selected_norm import logits_with_norm",
            "from core.packs import load_pack",
            "",
            f'reference = load_pack("{settings.pack}").reference',
            f'known, unknown, block = reference.held_out, reference.unknown["{ood}"], reference.selected',
            "c = known.features.double().norm(dim=1).mean() / known.norm(block).double().mean()" if length == "kept" else "c = 1.0",
            "before = msp(unknown.logits)",
            "after = msp(logits_with_norm(unknown.features, c * unknown.norm(block).double(), *reference.head))",
            f"print(100 * (before >= {level / 100:g}).double().mean().item(), 100 * (after >= {level / 100:g}).double().mean().item())",
            caption=t("confidence.code_caption"),
        )
    foot.ways("confidence")


def false_positives(sets, name):
    """Return a set's FPR@95TPR in percent."""
    return 100 * fpr(sets["known"], sets[name], convention=CONVENTION)


def sure(values, level):
    """Return the share of confidences that are at least a level in percent."""
    return float((values >= level / 100).mean())


def percent(fraction):
    return f"{100 * fraction:.1f}"


def in_table(confidence):
    """Return a fraction in percent, with enough digits to tell 99.9 from 99.99."""
    return round(100 * float(confidence), 6)


def marked(name):
    """Return a set's name with a mark that tells known from unknown ones."""
    return f"{MARKS[KINDS.get(name, 'OOD')]} {set_name(name)}"


def pass_name(kind, data):
    return t(f"confidence.pass_{kind}", block=data.block)


main()
