"""What does training do to confidence? Networks that differ in nothing but their training, side by side; and a picture with its adversarial copy."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from core.detectors import DETECTORS
from core.errors import InputError
from core.metrics import CONVENTIONS
from core.training.comparison import CLAIMS, METHOD, STAND_INS, read_comparison
from dashboard import compute
from dashboard.charts import style
from dashboard.charts import training as charts
from dashboard.charts.confidence import AXES
from dashboard.charts.detector import LINES, roc
from dashboard.charts.pictures import enlarged
from dashboard.language import class_name, detector_name, explain, method_name, set_name, t
from dashboard.language.text import plain
from dashboard.parts import choices, foot, own
from dashboard.parts.chart import download_csv, show, table
from dashboard.parts.families import families, family_key, family_titles, member_title, members
from dashboard.parts.frame import Frame, frame
from dashboard.parts.link import remember, to_page
from dashboard.parts.looks import look_at
from dashboard.parts.picker import gallery_ids
from dashboard.parts.train_here import train_here
from dashboard.session import pictures

AT_MOST = len(LINES)
EPS = range(33)  # of 255
EQUAL = 1.0  # points: closer than that, neither is called better
KEEP = 0.95  # of the known pictures, at the marks of the ROC curves
MARKS = {"ID": "●", "OOD": "◆"}
COMMAND = (
    "python -m core train --method {method} --data toybox:train --val toybox:test --holdout 2000 --arch cifar_resnet18 --width 16 --epochs 4"
    " --ood near=toybox:near --ood letters=toybox:letters --out packs/toybox-{method}"
)


@dataclass(frozen=True)
class Context:
    """What the page compares: `packs` {id: pack name}, `titles` {id: title}, `facts` {id: of pack.toml}; `sets` that all of them measured; `ood`, one; `lines`
    of `LINES`, the same for a method whichever others are chosen."""

    packs: dict
    titles: dict
    facts: dict
    sets: tuple
    ood: str
    lines: tuple

    @property
    def first(self):
        return next(iter(self.packs))

    @property
    def last(self):
        return list(self.packs)[-1]


def main():
    settings = frame()
    st.title(t("training.title"))
    st.markdown(t("training.intro"))
    found = families(own.packs())
    if found:
        compare(settings, found)
    else:
        empty()
    st.divider()
    train_here()
    foot.ways("training")


def compare(settings, found):
    """Draw one family's networks side by side."""
    family = pick_family(settings, found)
    chosen = pick_methods(family)
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    context = context_of(family, chosen, row)
    if context is None:
        return
    with row:
        form, axis = forms()
    distribution(context, form, axis)
    st.divider()
    found = roc_curves(context)
    if found:
        st.divider()
        every_set(context, *found)
    st.divider()
    claims()
    mixer(context)
    explanation(context)


def pick_family(settings, found):
    """Draw which family is looked at: the one of the sidebar's model, until another is chosen. Returns: {name: Description}."""
    own = family_key(settings.facts)
    default = own if own in found else next(iter(found))
    if st.session_state.setdefault("family_of", settings.pack) != settings.pack:
        st.session_state["family_of"] = settings.pack
        if own in found:
            st.session_state["family"] = own
    titles = family_titles(found)
    key = choices.select("family", t("training.family"), titles, default, help=t("training.family_help"))
    if settings.pack not in found[key]:
        st.caption(t("training.others"))
    return found[key]


def pick_methods(family):
    """Draw which networks of a family are compared. Returns: {id: pack name}, at least two and at most `AT_MOST`."""
    every = members(family)
    titles = {member: member_title(family, member) for member in every}
    default = tuple(every)[:AT_MOST]
    chosen = choices.several("methods", t("training.methods"), titles, default, help=t("training.methods_help"))
    if len(chosen) < 2:
        st.caption(t("training.too_few"))
        chosen = default
    if len(chosen) > AT_MOST:
        st.caption(t("detect.compared_most", n=AT_MOST, names=", ".join(titles[m] for m in chosen[AT_MOST:])))
    return {member: every[member] for member in chosen[:AT_MOST]}


def context_of(family, chosen, row):
    """Load what is compared and draw, into a row, which unknown set. Returns: Context, or None where there is nothing to compare; a sentence says why."""
    able = {}
    with st.spinner(t("training.loading"), show_time=True):
        for member, name in chosen.items():
            try:
                compute.confidences(name)
                able[member] = name
            except InputError as error:
                st.error(f"**{plain(name)}**: {explain(error)}", icon=":material/error:")
    if len(able) < 2:
        st.info(t("training.too_few_load"), icon=":material/info:")
        return None
    facts = {member: family[name].facts for member, name in able.items()}
    shared = tuple(s for s in facts[next(iter(able))]["sets"] if all(s in of["sets"] for of in facts.values()))
    if not shared:
        st.info(t("training.no_sets"), icon=":material/folder_off:")
        return None
    labels = {name: f"◆ {set_name(name)}" for name in shared}
    ood = choices.select("ood", t("confidence.ood"), labels, next((s for s in shared if s != "jigsaw"), shared[0]), width=220, on=row)
    places = list(members(family))
    lines = tuple(LINES[places.index(member) % len(LINES)] for member in able)
    return Context(able, {member: member_title(family, member) for member in able}, facts, shared, ood, lines)


def forms():
    """Draw how the distributions are shown. Returns: (form, axis)."""
    form_titles, axis_titles = ({name: t(f"confidence.{kind}_{name}") for name in names} for kind, names in (("form", charts.FORMS), ("axis", AXES)))
    form = choices.segments("spread", t("confidence.form"), form_titles, "histogram")
    axis = choices.segments("scale", t("confidence.axis"), axis_titles, "percent", help=t("confidence.axis_help"))
    return form, axis


def distribution(context, form, axis):
    """Draw the methods' confidences over each other, how far the means have moved, and the figures of it."""
    spread = {m: compute.confidences(name).passes["before"] for m, name in context.packs.items()}
    base = spread[context.first][context.ood]
    numbers = {m: compute.separation(sets["known"], sets[context.ood], base) for m, sets in spread.items()}
    finding = shift_sentence(context, numbers)
    st.header(finding)
    before, after = numbers[context.first], numbers[context.last]
    told = {f"{name}_{when}": f"{of[name]:.1f}" for when, of in (("before", before), ("after", after)) for name in ("gap", "overlap")}
    st.markdown(t("training.gap", name=set_name(context.ood), first=context.titles[context.first], method=context.titles[context.last], **told))
    words = {name: t(f"confidence.{name}") for name in ("confidence", "cumulative")}
    words |= {"share": t("word.share"), "mean": t("word.mean")}
    words["between"] = t("training.between", first=context.titles[context.first], method=context.titles[context.last])
    panels = []
    for name, mark in (("known", "●"), (context.ood, "◆")):
        panels.append((f"{mark} {set_name(name)}", {context.titles[m]: sets[name] for m, sets in spread.items()}))
    figure = charts.shifts(panels, words, form=form, axis=axis, lines=context.lines)
    rows = []
    for title, each in panels:
        rows += [(title, method, len(v), *(round(100 * float(q), 4) for q in (*np.quantile(v, (0.25, 0.5, 0.75)), v.mean()))) for method, v in each.items()]
    show(figure, alt=finding, table=table("set method count quarter median three_quarters mean_confidence", rows), key=f"shifts_{form}")
    st.caption(t("training.shift_caption", first=context.titles[context.first]))
    columns = ("mean_known", "mean_unknown", "gap", "overlap", "area", "shift")
    rows = [(context.titles[m], *(round(numbers[m][c], 1) for c in columns), context.facts[m]["figures"].get("accuracy")) for m in context.packs]
    helps = {t(f"word.{name}"): st.column_config.NumberColumn(help=t(f"training.help_{name}"), format="%.1f") for name in columns}
    st.dataframe(table(" ".join(("method", *columns, "accuracy")), rows), hide_index=True, column_config=helps, key="separation", alt=finding)
    st.caption(t("training.separation_caption", first=context.titles[context.first]))


def shift_sentence(context, numbers):
    """Say how the last method's mean confidence differs from the first one's, whichever way it went."""

    def moved(name):
        a, b = numbers[context.first][name], numbers[context.last][name]
        way = "same" if abs(b - a) < EQUAL else "lower" if b < a else "raise"
        return way, {"before": f"{a:.1f}", "after": f"{b:.1f}"}

    (unknown, of_unknown), (known, of_known) = moved("mean_unknown"), moved("mean_known")
    parts = {"unknown": t(f"training.unknown_{unknown}", name=set_name(context.ood), **of_unknown)}
    parts["known"] = t(f"training.known_too_{known}", **of_known) if known == unknown else t(f"training.known_{known}", **of_known)
    return t("training.shift", method=context.titles[context.last], first=context.titles[context.first], **parts)


def roc_curves(context):
    """Draw the methods' ROC curves by one detector. Returns: (detector, {id: Bench}), or None where the detector cannot be had."""
    place = st.container()
    titles = {name: detector_name(name) for name in DETECTORS}
    detector = choices.select("scored_by", t("training.detector"), titles, "msp", width=280, help=t("training.detector_help"))
    try:
        with st.spinner(t("detect.scoring")):
            benches = {m: compute.by_one(name, detector) for m, name in context.packs.items()}
    except InputError as error:
        st.error(explain(error), icon=":material/error:")
        return None
    at = {m: compute.at_keep(bench, context.ood, (detector,), KEEP)[detector][1] for m, bench in benches.items()}
    passed = {m: 100 * confusion.fpr for m, confusion in at.items()}
    best, worst = min(passed, key=passed.get), max(passed, key=passed.get)
    numbers = {"name": set_name(context.ood), "low": f"{passed[best]:.1f}", "high": f"{passed[worst]:.1f}"}
    if passed[worst] - passed[best] < EQUAL:
        finding = t("training.roc_same", **numbers)
    else:
        finding = t("training.roc", best=context.titles[best], worst=context.titles[worst], **numbers)
    with place:
        st.header(finding)
    curves = {context.titles[m]: (compute.roc(bench, context.ood, detector), (at[m].tpr, at[m].fpr)) for m, bench in benches.items()}
    words = {name: t(f"detect.roc_{name}") for name in ("fpr", "tpr", "chance")}
    rows = [
        (context.titles[m], round(100 * c.tpr, 2), round(100 * c.fpr, 2), c.known_as_known + c.known_as_unknown, c.unknown_as_known + c.unknown_as_unknown)
        for m, c in at.items()
    ]
    rates = table("method tpr fpr known_pictures unknown_pictures", rows)
    show(roc(curves, words, focus=context.titles[best], lines=context.lines), alt=finding, table=rates, key="training_roc")
    st.caption(t("training.roc_caption", detector=detector_name(detector), keep=f"{100 * KEEP:g}"))
    return detector, benches


def every_set(context, detector, benches):
    """Draw a table of all sets, and say on how many of them each method is better than the baseline."""
    place = st.container()
    conventions = {name: t(f"detect.convention_{name}") for name in CONVENTIONS}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        baseline = choices.select("baseline", t("training.baseline"), context.titles, "mixup" if "mixup" in context.packs else context.first, width=280)
        convention = choices.segments("counted", t("detect.convention"), conventions, "odin_grid")
    st.caption(t(f"detect.says_{convention}"))
    measured = {m: compute.figures(bench, convention, detectors=(detector,))[detector] for m, bench in benches.items()}
    found = {m: {s: rows[s] for s in context.sets} for m, rows in measured.items()}
    better = compute.improvements(found, baseline)
    counts = {m: count(found[baseline], found[m]) for m in better}
    told = {m: {"method": context.titles[m], "baseline": context.titles[baseline], "n": len(context.sets), **counts[m]} for m in better}
    *others, last = better
    finding = t("training.sets", **told[last])
    with place:
        st.header(finding)
        if others:
            st.markdown(" ".join(t("training.sets_other", **told[m]) for m in others))
    rows = []
    for s in context.sets:
        gains = [round(better[m][s]["fpr95"], 1) if np.isfinite(better[m][s]["fpr95"]) else None for m in better]
        sizes = [len(next(iter(benches.values())).evaluation.unknown[s][detector])]
        rows.append([f"◆ {set_name(s)}", *sizes, *(round(found[m][s]["fpr95"], 1) for m in found), *gains, *(round(found[m][s]["auroc"], 1) for m in found)])
    means = {metric: [round(float(np.mean([found[m][s][metric] for s in context.sets])), 1) for m in found] for metric in ("fpr95", "auroc")}
    rows.append([t("word.mean"), None, *means["fpr95"], *[None] * len(better), *means["auroc"]])
    columns = [t("word.set"), t("word.count"), *(f"FPR, %: {context.titles[m]}" for m in found)]
    columns += [t("training.column_better", method=context.titles[m]) for m in better]
    columns += [f"AUROC, %: {context.titles[m]}" for m in found]
    everything = pd.DataFrame(rows, columns=columns)
    config = {name: st.column_config.NumberColumn(format="%.1f") for name in columns[2:]} | {columns[0]: st.column_config.Column(pinned=True)}
    st.dataframe(everything, hide_index=True, height="content", placeholder="–", column_config=config, key="training_sets", alt=finding)
    known = len(next(iter(benches.values())).evaluation.known[detector])
    st.caption(
        t(
            "training.sets_caption",
            detector=detector_name(detector),
            known=known,
            margin=f"{EQUAL:g}",
            convention=conventions[convention],
            baseline=context.titles[baseline],
        )
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="large"):
        download_csv(everything, f"training-{convention}.csv")
        to_page("views/detector.py", t("training.to_detector"), icon=":material/query_stats:")


def count(base, mine):
    """Count the sets on which FPR@95TPR is better, worse, and within `EQUAL`. Args: {set: {metric: percent}}."""
    gained = np.array([base[s]["fpr95"] - mine[s]["fpr95"] for s in base]).round(6)
    better, worse = int((gained >= EQUAL).sum()), int((gained <= -EQUAL).sum())
    return {"better": better, "worse": worse, "same": len(gained) - better - worse}


def claims():
    """Draw what the paper claims beside what was measured; nothing where the comparison is not shipped."""
    measured = read_comparison()
    if measured is None:
        return
    found = compute.claims(measured)
    verdicts = found.verdict.tolist()
    finding = t("training.claims", n=len(found), same=verdicts.count("reproduced"), part=verdicts.count("in part"), not_so=verdicts.count("not reproduced"))
    st.header(finding)
    names = {"resnet18": "ResNet-18", "vgg16": "VGG-16", "both": t("training.claims_both")}
    rows = []
    for claim, row in zip(CLAIMS, found.itertuples(), strict=True):
        left_out = [name for name in STAND_INS if name not in claim.sets]
        sets = t("training.claims_all") if not left_out else t("training.claims_but", names=", ".join(left_out)) if len(left_out) < 3 else ", ".join(claim.sets)
        against = method_name(claim.against[0][0]) if len(claim.against) == 1 else t("training.claims_existing")
        claimed = t("training.claims_none") if claim.value is None else f"{claim.value:g} %"
        here = f"{row.measured:+.1f} %" if np.isfinite(row.measured) else "–"
        became = t(f"training.claims_{row.verdict.replace(' ', '_')}")
        rows.append((names[claim.arch], sets, claimed, here, became, against, ", ".join(map(set_name, claim.ours)), f"{row.counted}/{row.wanted}"))
    st.dataframe(table("network sets_paper claimed measured verdict against sets_here counted", rows), hide_index=True, key="claims", alt=finding)
    st.caption(t("training.claims_caption", method=method_name(METHOD), detector=detector_name("msp"), mixup=method_name("mixup")))
    st.divider()


@st.fragment
def mixer(context):
    """Blend a picture with its adversarial copy and let every network judge it; a move runs only this part again."""
    place = st.container()
    attacked_default = "standard" if "standard" in context.packs else context.first
    settings = Frame(context.packs[context.first], context.facts[context.first])
    ids = gallery_ids(settings)
    pictures.begin_with(ids[0])
    remember("eps", EPS, 8)
    left, middle, right = st.columns(3, gap="large")
    with left:
        labels = {share: f"{share:.2f}" for share in compute.SHARES}
        share = choices.steps("mix", t("training.mix"), labels, 0.5, help=t("training.mix_help"))
    with middle:
        eps = st.slider(t("training.eps"), EPS.start, EPS[-1], key="eps", persist_state="session", help=t("training.eps_help"))
    with right:
        attacked = choices.select("attacked", t("training.attacked"), context.titles, attacked_default, help=t("training.attacked_help"))
    strip(ids)
    primary = pictures.primary()
    look = look_at(Frame(context.packs[attacked], context.facts[attacked]), [primary]).get(primary)
    if look is None:
        place.header(t("training.mix_empty"))
        return
    classes, true_class = context.facts[attacked]["classes"], pictures.truth(primary)
    label = classes.index(true_class) if true_class in classes else int(look.measured.logits[0].argmax())
    options = {"label": label, "eps": eps}
    item, of = pictures.find(primary), context.packs[attacked]
    seen = compute.blends(of, primary, item, **options)
    with st.spinner(t("detect.scoring")):
        judged = {m: compute.blend_verdicts(name, of, primary, item, **options) for m, name in context.packs.items()}
    finding = mix_sentence(context, judged, share)
    with place:
        st.header(finding)
        told = {"label": class_name(classes[label]), "attacked": context.titles[attacked], "name": plain(pictures.name_of(primary))}
        st.markdown(t("training.label_true" if true_class in classes else "training.label_own", **told))
    four_pictures(seen, share, eps, plain(pictures.name_of(primary)))
    verdict_table(context, judged, share, finding)
    curves = {context.titles[m]: [v.probabilities[label] for v in verdicts] for m, verdicts in judged.items()}
    words = {"share": t("training.mix_axis"), "here": f"λ {share:.2f}"}
    words["probability"] = t("training.mix_probability", name=class_name(classes[label]))
    figure = charts.along(compute.SHARES, curves, share, words, lines=context.lines)
    frame_of_all = pd.DataFrame({"λ": compute.SHARES, **{name: [round(100 * p, 2) for p in values] for name, values in curves.items()}})
    st.subheader(t("training.along", name=class_name(classes[label])))
    show(figure, alt=finding, table=frame_of_all, key="along")


def strip(ids):
    """Draw pictures to choose from, and the way to bring another."""
    with st.expander(t("training.other_picture"), icon=":material/photo_library:", key="other_picture"):
        with st.grid(min_column_width=84, gap="small"):
            for picture_id in ids:
                name = pictures.name_of(picture_id)
                with st.container(gap="xxsmall"):
                    st.image(pictures.thumbnail(picture_id), width="stretch", alt=name)
                    chosen = ":material/check:" if picture_id == pictures.primary() else None
                    st.button(plain(name), key=f"mix_{picture_id}", icon=chosen, width="stretch", on_click=pictures.choose, args=(picture_id,))
        to_page("views/verdict.py", t("training.bring"), icon=":material/add_photo_alternate:")


def four_pictures(seen, share, eps, name):
    """Draw the picture, its adversarial copy, what differs, and the blend, pixel by pixel."""
    picture, copy, blend = seen[-1], seen[0], seen[compute.SHARES.index(share)]
    factor = 127 // eps if eps else 1
    change = np.uint8(np.clip(128 + factor * (copy.astype(int) - picture), 0, 255))
    size = picture.shape[0]
    shown = [
        (picture, t("training.picture", name=name), t("verdict.alt_seen", size=size)),
        (copy, t("training.copy", eps=eps), t("training.alt_copy", name=name, eps=eps)),
        (change, t("training.change", factor=factor), t("training.alt_change", factor=factor)),
        (blend, t("training.blend", share=f"{share:.2f}"), t("training.alt_blend", share=f"{100 * share:.0f}", rest=f"{100 - 100 * share:.0f}")),
    ]
    with st.grid(4, min_column_width=120, gap="small"):
        for pixels, caption, alt in shown:
            st.image(enlarged(pixels), caption=caption, width="stretch", alt=alt)


def verdict_table(context, judged, share, finding):
    """Draw what each network says of the picture, the copy and the blend."""
    at = {t("word.picture"): -1, t("training.word_copy"): 0, t("training.word_blend", share=f"{share:.2f}"): compute.SHARES.index(share)}
    cells = {context.titles[m]: [cell(verdicts[k]) for k in at.values()] for m, verdicts in judged.items()}
    wide = pd.DataFrame.from_dict(cells, orient="index", columns=list(at))
    wide.insert(0, t("word.method"), wide.index)
    st.dataframe(wide, hide_index=True, column_config={t("word.method"): st.column_config.Column(pinned=True)}, key="mix_verdicts", alt=finding)
    st.caption(t("training.verdict_caption"))


def cell(verdict):
    """Write a verdict into a cell: mark, class, confidence, p-value."""
    share, p = style.percent(verdict.confidence), f"{100 * verdict.p_value:.1f}"
    return f"{MARKS[verdict.verdict]} {class_name(verdict.class_name)} {share}\u00a0% (p {p}\u00a0%)"


def mix_sentence(context, judged, share):
    """Say what the first and the last method make of the blend, and whether it is still what they say of the picture."""
    parts = {}
    for word, m in (("one", context.first), ("other", context.last)):
        here, whole = judged[m][compute.SHARES.index(share)], judged[m][-1]
        says = {"method": context.titles[m], "name": class_name(here.class_name), "share": f"{100 * here.confidence:.0f}"}
        parts[word] = t("training.still" if here.label == whole.label else "training.now", **says)
    return t("training.mix_found", rest=f"{100 - 100 * share:.0f}", **parts)


def explanation(context):
    """Draw how the methods train, and the code that measures the shift."""
    foot.how(
        t("training.why_title"),
        (t("training.why_fgsm"), r"x_{\mathrm{adv}} = x + \varepsilon\,\mathrm{sign}\,\nabla_x\,\mathrm{CE}(f(x), y)"),
        (t("training.why_blend"), r"\tilde{x} = \lambda\,x + (1-\lambda)\,x_{\mathrm{adv}}, \qquad \lambda \sim \mathrm{Beta}(\alpha, \alpha)"),
        (t("training.why_others"),),
        (t("training.why_sources"),),
    )
    foot.in_code(
        t("training.code_title"),
        "from core.detectors.logits import msp",
        "from core.packs import load_pack",
        "",
        f'for name in ("{context.packs[context.first]}", "{context.packs[context.last]}"):',
        "    reference = load_pack(name).reference",
        f'    for measured in (reference.unknown["{context.ood}"], reference.held_out):',
        "        print(100 * msp(measured.logits.double()).mean().item())",
        caption=t("training.code_caption"),
    )


def empty():
    """Say what to do where no two packs can be compared."""
    st.info(t("training.empty"), icon=":material/folder_off:")
    foot.code(*(COMMAND.format(method=method) for method in ("standard", METHOD)))
    st.caption(t("training.empty_caption"))


main()
