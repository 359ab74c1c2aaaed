"""When can the machine decide, and when should a person? Calibrated confidence, and a hand-off whose risk is bounded."""

import math

import numpy as np
import pandas as pd
import streamlit as st

from core.calibration import BINNINGS, BINS
from core.errors import InputError
from core.trust import MAPS, REPORT, outcome
from dashboard import compute
from dashboard.charts import trust as charts
from dashboard.language import corruption_name, explain, set_name, t
from dashboard.parts import choices, foot
from dashboard.parts.chart import download_csv, show, table
from dashboard.parts.frame import frame, load
from dashboard.parts.trust_corrupted import under_corruptions

RISKS = (0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0)  # percent of what the machine decides that may be wrong
SHARES = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)  # percent of the pictures that are unknown, assumed
SCORES = ("both", "consensus", "calibrated", "msp")
ALL = "all"


def main():
    settings = frame()
    st.title(t("trust.title"))
    loaded = load(settings)
    try:
        trust = compute.trust(settings.pack)
    except InputError as error:
        st.info(explain(error), icon=":material/info:")
    else:
        calibration(trust)
        st.divider()
        chosen = hand_off(settings, trust)
        st.divider()
        corruptions(settings, loaded, trust, chosen)
        explanation(settings, chosen)
    foot.ways("trust")


def calibration(trust):
    """Draw how far confidence can be taken for the share of right answers, before and after."""
    right = trust.logits.argmax(1) == trust.labels
    st.markdown(t("trust.accuracy", accuracy=percent(right.mean()), n=len(right)))
    head = st.container()
    ways = {name: t(f"trust.bins_{name}") for name in BINNINGS}
    binning = choices.segments("bins", t("trust.bins"), ways, "width", help=t("trust.bins_help", n=BINS))
    found = trust.calibrated(binning=binning)
    eces = {name: percent(found[name]["ece"]) for name in MAPS}
    finding = t(f"trust.ece_{direction(found)}", before=eces["before"], temperature=f"{trust.temperature:.2f}", temperature_ece=eces["temperature"])
    head.header(finding)
    confidence = trust.confidences(trust.logits)["before"].mean()
    gap = confidence - right.mean()
    sentence = t("trust.mean_over" if gap > 0 else "trust.mean_under", confidence=percent(confidence), gap=f"{100 * abs(gap):.1f}")
    head.markdown(f"{sentence} {t('trust.ece_means')}")
    titles = {name: t(f"trust.map_{name}", temperature=f"{trust.temperature:.2f}") for name in MAPS}
    words = {name: t(f"trust.{name}") for name in ("accuracy_axis", "ideal")} | {"confidence": t("confidence.confidence"), "count": t("word.count")}
    words["accuracy"] = words.pop("accuracy_axis")
    bins = {titles[name]: found[name]["bins"] for name in MAPS}
    rows = [
        (title, *(round(100 * float(value), 2) for value in (low, high)), int(n), *(round(100 * float(value), 2) for value in of))
        for title, b in bins.items()
        for low, high, n, *of in zip(b.low, b.high, b.count, b.confidence, b.accuracy, b.least, b.most, strict=True)
    ]
    figure = charts.reliability(bins, words, whole=binning == "width")
    show(figure, alt=finding, table=table("map bin_from bin_to count confidence right low high", rows), key="reliability")
    st.caption(t("trust.reliability_caption"))
    rows = [(titles[name], *(round(v, 4) if v is not None else None for v in (100 * f["ece"], f["brier"], f["nll"]))) for name, f in found.items()]
    st.dataframe(table("map ece brier nll", rows), hide_index=True, placeholder="–", key="calibration", alt=finding)
    st.caption(t("trust.calibration_caption", n=BINS, binning=ways[binning], fit=len(trust.rows["fit"]), report=len(right)))


def direction(found):
    """Say what the temperature does to ECE: "better", "worse" or "same", as it reads at one digit."""
    before, after = (round(100 * found[name]["ece"], 1) for name in ("before", "temperature"))
    return "same" if before == after else "better" if after < before else "worse"


def hand_off(settings, trust):
    """Let a person choose how much may be wrong, and say what the machine then decides. Returns: (score, risk, share, unknown set, rule)."""
    head = st.container()
    score, risk, share, ood = controls(trust)
    rule = trust.rule(score, risk=risk, share=share, unknown=ood)
    done = trust.outcome(rule, score, share=share, unknown=ood)
    numbers = {"risk": f"{100 * risk:g}"}
    if rule.found:
        finding = t("trust.decides", coverage=f"{100 * done.coverage:.0f}", **numbers)
        lines = [
            t("trust.promise", wrong=rule.wrong, decided=rule.decided, bound=f"{100 * rule.bound:.2f}", **numbers),
            t("trust.measured", pictures=done.pictures, decided=done.decided, wrong=done.wrong, misread=told(done.misread)),
        ]
        if share:
            lines.append(t("trust.measured_unknown", share=f"{100 * share:g}", passed=told(done.unknown), risk=told(done.risk)))
    else:
        finding = t("trust.decides_none", **numbers)
        lower = next((r for r in RISKS if r > 100 * risk and trust.rule(score, risk=r / 100, share=share, unknown=ood).found), None)
        lines = [t("trust.none_why", pictures=rule.pictures), t("trust.none_least", least=f"{lower:g}") if lower else t("trust.none_at_all")]
    head.header(finding)
    head.markdown("\n".join(f"- {line}" for line in lines))
    titles = {name: t(f"trust.score_{name}") for name in SCORES if name in trust.scores}
    curves, points, rows = {}, {}, []
    for name, title in titles.items():
        each = trust.rule(name, risk=risk, share=share, unknown=ood)
        at = trust.outcome(each, name, share=share, unknown=ood)
        curves[title], points[title] = trust.curve(name, share=share, unknown=ood), (at.coverage, at.risk) if at.coverage else None
        fractions = (at.coverage, at.risk, each.bound, at.misread, at.unknown, curves[title].aurc, curves[title].excess)
        threshold = each.threshold if math.isfinite(each.threshold) else None
        rows.append((title, *(in_table(f) for f in fractions), None if threshold is None else float(f"{threshold:.6g}")))
    words = {"coverage": t("trust.coverage_axis"), "risk": t("trust.risk_axis"), "promise": t("trust.promise_line", **numbers)}
    figure = charts.risk_coverage(curves, points, risk, words, focus=titles[score])
    whole = table("handoff_score coverage risk bound misread passed aurc excess threshold", rows)
    show(figure, alt=finding, table=whole, key="risk_coverage")
    st.dataframe(whole, hide_index=True, placeholder="–", key="hand_off", alt=finding)
    st.caption(t("trust.hand_off_caption"))
    download_csv(whole, f"hand-off-{settings.pack}.csv")
    return score, risk, share, ood, rule


def controls(trust):
    """Draw how much may be wrong, who is asked and what is assumed. Returns: (score, risk, share, unknown set or None), fractions."""
    scores = [name for name in SCORES if name in trust.scores]
    risk = choices.steps("risk", t("trust.risk"), {r: f"{r:g} %" for r in RISKS}, 1.0, help=t("trust.risk_help"))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        titles = {name: t(f"trust.score_{name}") for name in scores}
        score = choices.select("handoff", t("trust.score"), titles, scores[0], help=t("trust.score_help"), width=320)
        share, ood = 0.0, None
        if trust.unknown:
            labels = {value: f"{value:g} %" for value in SHARES}
            share = choices.steps("unknown", t("trust.share"), labels, 5.0, help=t("trust.share_help"), width=260)
            sets = [ALL, *trust.unknown]
            names = {name: t("trust.all_sets") if name == ALL else set_name(name) for name in sets}
            ood = choices.select("of", t("trust.of"), names, ALL, width=240, help=t("trust.of_help"))
    return score, risk / 100, share / 100, None if ood == ALL else ood


def corruptions(settings, loaded, trust, chosen):
    """Draw what becomes of calibration and promise where the pictures are corrupted."""
    score, risk, _, _, rule = chosen
    head = st.container()
    found, severity = under_corruptions(settings, loaded, trust.rows[REPORT])
    if found is None:
        head.header(t("trust.corrupted_ask"))
        head.markdown(t("trust.corrupted_why"))
        return
    rows, shown = [], []
    for name, measured in found.activations.items():
        logits = measured.logits.numpy()
        right, confidence = logits.argmax(1) == found.labels, trust.confidences(logits)
        of = {m: f["ece"] for m, f in trust.calibrated(logits, found.labels).items()}
        seen = trust.judged(measured, found.labels)
        at = outcome(seen.scores[score] > rule.threshold, seen.wrong, 0.0, 0.0)
        rows.append((name, of["before"], of["temperature"], at.misread))
        numbers = (right.mean(), confidence["before"].mean(), of["before"], of["temperature"], at.known, at.misread)
        shown.append((corruption_name(name), *map(in_table, numbers), at.decided, at.wrong))
    every = [row for row in rows if row[0] != "clean"]
    broken = [row for row in every if row[3] > risk]
    numbers = {"n": len(every), "severity": severity, "risk": f"{100 * risk:g}"}
    if not rule.found:
        finding = t("trust.corrupted_no_rule", **numbers)
    elif broken:
        worst = max(broken, key=lambda row: row[3])
        finding = t("trust.corrupted_broken", broken=len(broken), worst=corruption_name(worst[0]), wrong=percent(worst[3]), **numbers)
    else:
        finding = t("trust.corrupted_kept", **numbers)
    head.header(finding)
    clean, mean = rows[0], np.mean([row[1:3] for row in every], axis=0)
    head.markdown(t("trust.corrupted_ece", clean=percent(clean[2]), before=percent(mean[0]), after=percent(mean[1]), temperature=f"{trust.temperature:.2f}"))
    words = {"ece": t("trust.ece_axis"), "before": t("trust.ece_before"), "after": t("trust.ece_after"), "risk": t("trust.misread_axis")}
    words |= {"promise": t("trust.promise_line", risk=f"{100 * risk:g}"), "kept": t("trust.kept"), "broken": t("trust.broken")}
    figure = charts.under_corruptions([(corruption_name(name), *of) for name, *of in rows], risk, words)
    whole = table("corruption accuracy mean_confidence ece_before ece_after coverage misread decided wrong", shown)
    show(figure, alt=finding, table=whole, key="corrupted")
    st.caption(t("trust.corrupted_caption", n=len(found.labels), bins=BINS))
    download_csv(whole, f"trust-corruptions-{settings.pack}-{severity}.csv")


def explanation(settings, chosen):
    """Draw the formulas, what they assume, and the code that computes what the page shows."""
    score, risk, share, ood, _ = chosen
    foot.how(
        t("trust.why_title"),
        (
            t("trust.why_calibration"),
            r"\mathrm{ECE} = \sum_b \frac{n_b}{n}\,\left|\mathrm{acc}_b - \mathrm{conf}_b\right|",
            r"\mathrm{Brier} = \frac{1}{n}\sum_i (c_i - r_i)^2",
        ),
        (t("trust.why_temperature"), r"T = \arg\min_T -\frac{1}{n}\sum_i \log \frac{e^{z_{i,y_i}/T}}{\sum_k e^{z_{i,k}/T}}"),
        (
            t("trust.why_risk"),
            r"\mathrm{coverage}(t) = P(s > t)",
            r"\mathrm{risk}(t) = P(\mathrm{wrong} \mid s > t)",
            r"\mathrm{AURC} = \int_0^1 \mathrm{risk}\;d\,\mathrm{coverage}",
        ),
        (t("trust.why_bound"), r"P(\mathrm{Binomial}(k, r) \leq w) \leq \delta"),
        (t("trust.why_assumes"),),
        (t("trust.why_sources"),),
    )
    of = f', unknown="{ood}"' if ood else ""
    foot.in_code(
        t("trust.code_title"),
        "from core.packs import load_pack",
        "from core.trust import Trust",
        "",
        f'trust = Trust(load_pack("{settings.pack}").reference)',
        "print(trust.temperature, {name: found['ece'] for name, found in trust.calibrated().items()})",
        f'rule = trust.rule("{score}", risk={risk:g}, share={share:g}{of})',
        f'print(rule, trust.outcome(rule, "{score}", share={share:g}{of}))',
    )


def percent(fraction):
    return f"{100 * fraction:.1f}"


def told(fraction):
    """Write a fraction in percent, a dash where there is none."""
    return "–" if math.isnan(fraction) else f"{100 * fraction:.1f}\u00a0%"


def in_table(fraction):
    return None if pd.isna(fraction) else round(100 * float(fraction), 2)


main()
