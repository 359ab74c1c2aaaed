"""Where does the classifier fall over, and does the detector notice? One picture under every corruption at every severity."""

from dataclasses import dataclass

import streamlit as st

from core.corruptions import CORRUPTIONS, GROUPS, SEVERITIES
from core.provenance import command_line
from dashboard import compute
from dashboard.charts import corruptions as charts
from dashboard.charts import style
from dashboard.charts.corruptions import mark_of
from dashboard.charts.detector import LINES
from dashboard.charts.pictures import enlarged
from dashboard.language import class_name, corruption_name, t
from dashboard.parts import choices, foot
from dashboard.parts.chart import download_csv, picked, show, table
from dashboard.parts.corrupted import CLEAN, alt
from dashboard.parts.decide import controls, say
from dashboard.parts.frame import frame, load
from dashboard.parts.looks import look_at
from dashboard.parts.picker import pick_pictures
from dashboard.session import pictures

NAMES, SEEDS = tuple(CORRUPTIONS), range(2**31)
VIEWS, CURVES = ("severity", "corruption"), ("one", "groups")
SURE = 0.9  # confidence from which a wrong answer is called sure


@dataclass(frozen=True)
class Case:
    """What the page shows: a picture; the class `expected` that its answers are compared with, the true one if `mode` is "truth", the answer for the
    clean picture if it is "clean"; `pixels`, a `compute.Corrupted`; `verdicts` and `outcomes` of each cell (corruption, severity)."""

    picture_id: str
    expected: str
    mode: str
    pixels: compute.Corrupted
    verdicts: dict
    outcomes: dict

    @property
    def clean(self):
        return self.verdicts[CLEAN, 0]

    def cells(self, severities=SEVERITIES):
        """Return the cells of some severities, the clean picture not among them."""
        return [(name, severity) for name in NAMES for severity in severities]

    def count(self, cells, *outcomes):
        return sum(self.outcomes[cell] in outcomes for cell in cells)

    def word(self, cell):
        """Return the mark and the words for what became of a cell."""
        return f"{mark_of(self.outcomes[cell])} {t(f'corruptions.{self.mode}_{self.outcomes[cell]}')}"

    def says(self, cell):
        """Return the mark, the answer and its confidence."""
        v = self.verdicts[cell]
        return f"{mark_of(self.outcomes[cell])} {class_name(v.class_name)} {style.percent(v.confidence)}\u00a0%"


def main():
    settings = frame()
    st.title(t("corruptions.title"))
    st.markdown(t("corruptions.intro", n=len(CORRUPTIONS)))
    pick_pictures(settings)
    load(settings)
    detector, keep = controls()
    picture_id = pictures.primary()
    if not look_at(settings, [picture_id]):
        st.info(t("corruptions.empty"), icon=":material/add_photo_alternate:")
        return
    finding = st.container()
    corruption, severity, seed = focus()
    with st.spinner(t("corruptions.loading"), show_time=True):
        case = case_of(settings, picture_id, detector, keep, seed)
    with finding:
        sentence = found(case, severity)
    whole, one = st.columns((3, 2), gap="large")
    with whole:
        outcome_map(case, corruption, severity, sentence)
    with one:
        enlarged_cell(case, corruption, severity, keep)
    st.divider()
    gallery(case, corruption, severity)
    st.divider()
    ladders(settings, case, corruption, keep)
    st.divider()
    explanation(settings, case, detector, keep, corruption, severity, seed)


def focus():
    """Draw which corruption and which severity the page looks at, and the seed. Returns: (corruption, severity, seed)."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        severity = choices.segments("severity", t("corruptions.severity"), SEVERITIES, 5)
        corruption = choices.select("corruption", t("corruptions.corruption"), titles(), NAMES[0], help=t("corruptions.pick"), width=280)
        seed = choices.number("draw", t("corruptions.seed"), SEEDS, 0, help=t("corruptions.seed_help"), width=160)
    return corruption, severity, seed


def titles():
    return {name: corruption_name(name) for name in NAMES}


def case_of(settings, picture_id, detector, keep, seed):
    """Corrupt, measure and judge. Returns: `Case`."""
    truth = pictures.truth(picture_id)
    mode = "truth" if truth in settings.facts["classes"] else "clean"
    of = (settings.pack, picture_id, pictures.find(picture_id))
    pixels = compute.corrupted(*of, seed=seed)
    expected = truth if mode == "truth" else None
    verdicts, outcomes = compute.corrupted_verdicts(*of, seed=seed, detector=detector, keep=keep / 100, expected=expected)
    return Case(picture_id, expected or verdicts[CLEAN, 0].class_name, mode, pixels, verdicts, outcomes)


def found(case, severity):
    """Draw where the classifier falls over at one severity and whether the detector notices. Returns: the finding."""
    here, every = case.cells((severity,)), case.cells()
    kept, noticed, unnoticed = case.count(here, "held", "doubted"), case.count(here, "noticed"), case.count(here, "unnoticed")
    numbers = {"name": class_name(case.expected), "n": len(here), "kept": kept, "severity": severity}
    sentence = t(f"corruptions.{case.mode}_found_{'all' if kept == len(here) else 'some' if kept else 'none'}", **numbers)
    if fell := noticed + unnoticed:
        how = ("one_" if fell == 1 else "") + ("some" if noticed and unnoticed else "all" if noticed else "none")
        sentence += ". " + t(f"corruptions.{case.mode}_fell_{how}", fell=fell, noticed=noticed)
    st.header(sentence)
    parts = []
    if case.mode == "clean":
        parts.append(t("corruptions.no_truth", name=class_name(case.expected)))
    elif case.clean.class_name != case.expected:
        parts.append(t("corruptions.lost", says=class_name(case.clean.class_name)))
    if case.clean.verdict == "OOD":
        parts.append(t("corruptions.clean_rejected", accepted=case.count(every, "held", "unnoticed"), n=len(every)))
    if kept:
        parts.append(t(f"corruptions.{case.mode}_kept_rejected", doubted=case.count(here, "doubted"), kept=kept))
    wrong = [cell for cell in every if case.outcomes[cell] in ("noticed", "unnoticed")]
    overall = t(f"corruptions.{case.mode}_overall", wrong=len(wrong), n=len(every))
    if wrong:
        sure = sum(case.verdicts[cell].confidence >= SURE for cell in wrong)
        overall += " " + t("corruptions.overall_missed", unnoticed=case.count(wrong, "unnoticed"), wrong=len(wrong), sure=sure, level=f"{100 * SURE:g}")
    parts.append(overall)
    if wrong:
        first = min(degree for _, degree in wrong)
        names = ", ".join(corruption_name(name) for name, degree in wrong if degree == first)
        parts.append(t(f"corruptions.{case.mode}_first", severity=first, names=names))
    st.markdown("\n".join(f"- {part}" for part in parts))
    return sentence


def outcome_map(case, corruption, severity, finding):
    """Draw every cell's outcome. A click on one makes it the page's corruption and severity."""
    key = f"outcome_map_{st.session_state.setdefault('cell_clicks', 0)}"

    def clicked():
        """Hand the click to the controls, which alone know the cell; a new key lets go of the chart's own selection."""
        name, _, degree = str(picked(st.session_state.get(key)) or "").partition(":")
        if name in NAMES:
            _look_into(name, int(degree))
            st.session_state["cell_clicks"] += 1

    words = {kind: f"{t(f'corruptions.{case.mode}_{kind}')}" for kind in charts.OUTCOMES} | {"severity": t("corruptions.severity_axis")}
    groups = [(t(f"corruptions.group_{group}"), [(name, corruption_name(name)) for name in names]) for group, names in GROUPS.items()]
    every = case.cells()
    tips = {cell: tip(case, cell) for cell in every}
    figure = charts.outcome_map(groups, {cell: case.outcomes[cell] for cell in every}, tips, words, shown=(corruption, severity))
    whole = table("corruption severity class confidence p_value verdict outcome", [row(case, cell) for cell in ((CLEAN, 0), *every)])
    show(figure, alt=finding, table=whole, key=key, on_select=clicked, selection_mode="points")
    st.caption(t("corruptions.map_caption"))
    download_csv(whole, "corruptions.csv")


def tip(case, cell):
    v = case.verdicts[cell]
    numbers = t("corruptions.tip", name=class_name(v.class_name), confidence=style.percent(v.confidence), p=percent(v.p_value))
    return f"<b>{corruption_name(cell[0])}, {cell[1]}</b><br>{numbers}<br>{case.word(cell)}"


def row(case, cell):
    v = case.verdicts[cell]
    numbers = round(100 * v.confidence, 2), round(100 * v.p_value, 3)
    return corruption_name(cell[0]), cell[1], class_name(v.class_name), *numbers, t(f"word.{v.verdict}"), case.word(cell)


def enlarged_cell(case, corruption, severity, keep):
    """Draw one cell beside the clean picture, with its verdict in words."""
    cell = corruption, severity
    title = t("corruptions.cell", corruption=corruption_name(corruption), severity=severity)
    st.subheader(title)
    with st.grid(2, min_column_width=120, gap="small"):
        for at, name in (((CLEAN, 0), corruption_name(CLEAN)), (cell, title)):
            st.image(enlarged(case.pixels.at(*at)), caption=f"{name}  \n{case.says(at)}", width="stretch", alt=alt(case.picture_id, *at))
    st.markdown(f"**{case.word(cell)}**")
    say(case.verdicts[cell], keep)


def gallery(case, corruption, severity):
    """Draw all corruptions at one severity, or one corruption at all severities, each with its answer."""
    heading = st.container()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        ways = {view: t(f"corruptions.view_{view}") for view in VIEWS}
        view = choices.segments("view", t("corruptions.view"), ways, "severity")
        if view == "severity":
            st.session_state["severity_too"] = severity
            st.segmented_control(t("corruptions.severity"), SEVERITIES, required=True, key="severity_too", on_change=_same, args=("severity",))
        else:
            st.session_state["corruption_too"] = corruption
            st.selectbox(t("corruptions.corruption"), NAMES, format_func=titles().get, key="corruption_too", on_change=_same, args=("corruption",), width=280)
    cells = [(CLEAN, 0), *(case.cells((severity,)) if view == "severity" else [(corruption, degree) for degree in SEVERITIES])]
    with heading:
        st.header(gallery_finding(case, view, cells[1:]))
        st.caption(" · ".join(f"{mark_of(kind)} {t(f'corruptions.{case.mode}_{kind}')}" for kind in charts.OUTCOMES))
    with st.grid(min_column_width=118, gap="small"):
        for cell in cells:
            with st.container(gap="xxsmall"):
                st.image(enlarged(case.pixels.at(*cell)), width="stretch", alt=alt(case.picture_id, *cell))
                name, degree = cell
                if name == CLEAN:
                    st.markdown(f"**{corruption_name(CLEAN)}**", text_alignment="center")
                else:
                    label = corruption_name(name) if view == "severity" else t("corruptions.degree", severity=degree)
                    chosen = ":material/check:" if cell == (corruption, severity) else None
                    st.button(label, key=f"cell_{name}_{degree}", icon=chosen, width="stretch", on_click=_look_into, args=cell)
                st.caption(f"{case.says(cell)}  \np {percent(case.verdicts[cell].p_value)}\u00a0%")


def gallery_finding(case, view, cells):
    """Say where the network is least sure at one severity, or where one corruption turns its answer."""
    if view == "severity":
        least = min(cells, key=lambda cell: case.verdicts[cell].confidence)
        numbers = {"confidence": style.percent(case.verdicts[least].confidence), "says": class_name(case.verdicts[least].class_name)}
        return t("corruptions.least_sure", severity=least[1], corruption=corruption_name(least[0]), **numbers)
    turned = [degree for name, degree in cells if case.outcomes[name, degree] in ("noticed", "unnoticed")]
    of = {"corruption": corruption_name(cells[0][0]), "name": class_name(case.expected)}
    return t(f"corruptions.{case.mode}_falls", severity=turned[0], **of) if turned else t(f"corruptions.{case.mode}_holds", **of)


def ladders(settings, case, corruption, keep):
    """Draw confidence and p-value against severity: of one corruption, or the mean of each group."""
    heading = st.container()
    ways = {way: t(f"corruptions.curves_{way}") for way in CURVES}
    way = choices.segments("curves", t("corruptions.curves"), ways, "one")
    words = {"severity": t("corruptions.severity_axis"), "clean": corruption_name(CLEAN), "confidence": t("confidence.confidence")}
    words |= {"p": t("corruptions.p_axis"), "level": t("corruptions.level", level=f"{100 - keep:g}")}
    if way == "one":
        steps = [(CLEAN, 0), *((corruption, degree) for degree in SEVERITIES)]
        series = {corruption_name(corruption): [(case.verdicts[c].confidence, case.verdicts[c].p_value, case.outcomes[c]) for c in steps]}
        label = tuple(settings.facts["classes"]).index(case.expected)
        expected = t(f"corruptions.{case.mode}_probability", name=class_name(case.expected)), [case.verdicts[c].probabilities[label] for c in steps]
        finding, told = ladder_sentences(case, corruption)
        lines, caption = LINES[:1], t("corruptions.one_caption")
    else:
        series, expected = {t(f"corruptions.group_{group}"): group_steps(case, names) for group, names in GROUPS.items()}, None
        lowest = [min(series, key=lambda name: series[name][-1][k]) for k in (0, 1)]
        numbers = {"confidence": f"{100 * series[lowest[0]][-1][0]:.1f}", "p": percent(series[lowest[1]][-1][1])}
        finding, told = t("corruptions.groups_found", surest=lowest[0], group=lowest[1], **numbers), ""
        lines, caption = LINES, t("corruptions.groups_caption")
    with heading:
        st.header(finding)
        if told:
            st.markdown(told)
    rows = [(name, k, round(100 * c, 2), round(100 * p, 3)) for name, each in series.items() for k, (c, p, _) in enumerate(each)]
    figure = charts.ladders(series, 1 - keep / 100, words, lines=lines, expected=expected)
    show(figure, alt=finding, table=table("corruption severity confidence p_value", rows), key=f"ladders_{way}")
    st.caption(caption)


def ladder_sentences(case, corruption):
    """Return (how confidence and p-value move up to severity 5, where the detector rejects)."""
    last = case.verdicts[corruption, SEVERITIES[-1]]
    numbers = {"before": style.percent(case.clean.confidence), "after": style.percent(last.confidence)}
    numbers |= {"p_before": percent(case.clean.p_value), "p_after": percent(last.p_value)}
    rejected = [str(degree) for degree in SEVERITIES if case.verdicts[corruption, degree].verdict == "OOD"]
    told = t("corruptions.rejected_at", severities=", ".join(rejected)) if rejected else t("corruptions.rejected_never")
    return t("corruptions.moves", corruption=corruption_name(corruption), **numbers), told


def group_steps(case, names):
    """Return [(mean confidence, mean p-value, None)] of some corruptions, the clean picture first."""
    steps = [(case.clean.confidence, case.clean.p_value, None)]
    for degree in SEVERITIES:
        verdicts = [case.verdicts[name, degree] for name in names]
        steps.append((sum(v.confidence for v in verdicts) / len(verdicts), sum(v.p_value for v in verdicts) / len(verdicts), None))
    return steps


def explanation(settings, case, detector, keep, corruption, severity, seed):
    """Draw what the corruptions are, how to do the same without this page, and the way on."""
    seen = settings.facts["preprocessing"]
    says = [t("corruptions.why_what"), t("corruptions.why_outcomes"), t("corruptions.why_sizes", size=seen["size"])]
    if seen.get("jpeg"):
        says.append(t("corruptions.why_jpeg", quality=seen["jpeg"]))
    foot.how(t("corruptions.why_title"), *((each,) for each in (*says, t("corruptions.why_sources"))))
    with foot.in_code(t("corruptions.code_title"), *code(settings, case, detector, keep, seed), caption=t("corruptions.code_caption")):
        source = source_of(case.picture_id)[0]
        out = f"{corruption}-{severity}.parquet"
        made = ["corrupt", "--images", source, "--corruption", corruption, "--severity", str(severity), "--seed", str(seed), "--out", out]
        scored = ["score", "--pack", settings.pack, "--images", out, "--detectors", detector, "--out", "scores.parquet"]
        foot.code(command_line(made), command_line(scored))
        st.caption(t("corruptions.command_caption"))
    foot.ways("corruptions")


def code(settings, case, detector, keep, seed):
    """Return the lines that compute exactly what the page shows."""
    source, index = source_of(case.picture_id)
    return [
        "from core import load_pack",
        "from core.corruptions.gallery import cells, gallery",
        "from core.images.preprocess import stack",
        "from core.images.sources import open_source",
        "",
        f'pack = load_pack("{settings.pack}")',
        f'picture = open_source("{source}")[{index}].open(near=pack.preprocessing.size)',
        f"images = gallery(stack([pack.preprocessing.see(picture)])[0], seed={seed})",
        "measured = pack.probe(images)",
        f'verdicts = pack.judge.judge(measured, pack.classes, detector="{detector}", keep={keep / 100:g})',
        "for (name, severity), v in zip(cells(), verdicts, strict=True):",
        "    print(name, severity, v.class_name, v.confidence, v.p_value, v.verdict)",
    ]


def source_of(picture_id):
    """Return (what `--images` takes, number of the picture in it); of an upload, a folder that it would be put into."""
    spec, _, index = picture_id.rpartition("/")
    kind, _, rest = spec.partition(":")
    if kind == "data":
        return f"{rest}.parquet", int(index)
    return (spec, int(index)) if kind in ("toybox", "noise", "torchvision") else ("photos", 0)


def percent(p):
    """Write a p-value in percent, with the more digits the smaller it is."""
    return f"{100 * p:.2g}" if p < 0.01 else f"{100 * p:.1f}" if p < 0.1 else f"{100 * p:.0f}"


def _look_into(name, degree):
    st.session_state["corruption"], st.session_state["severity"] = name, degree


def _same(key):
    """Let a control of the gallery set the one above, of which it is a copy."""
    st.session_state[key] = st.session_state[f"{key}_too"]


main()
