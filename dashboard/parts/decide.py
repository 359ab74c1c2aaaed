"""Who decides and how strictly, and a verdict in words: the same on every page that judges pictures."""

import streamlit as st

from core.detectors import DEFAULT, ONE_PASS
from dashboard.charts import style
from dashboard.language import class_name, t
from dashboard.parts import choices

KEEPS = tuple(80 + i / 2 for i in range(40))  # percent of known pictures: 80, 80.5, ... 99.5
ICON = {"ID": ":material/check_circle:", "OOD": ":material/help:"}
MARK = {"ID": "●", "OOD": "◆"}


def controls():
    """Draw who decides and how strictly. Returns: (detector, percent of known pictures kept)."""
    titles = {name: t(f"detector.{name}") for name in ONE_PASS}
    left, right = st.columns(2, gap="large")
    with left:
        detector = choices.select("detector", t("verdict.detector"), titles, DEFAULT, help=t("verdict.detector_help"))
    with right:
        keep = choices.steps("keep", t("verdict.keep"), {k: f"{k:g} %" for k in KEEPS}, 95.0, help=t("verdict.keep_help"))
    return detector, keep


def percent(p):
    """Write a p-value in percent: none is 0, so that a small one keeps the digits that say so."""
    return f"{100 * p:.2g}" if p < 0.001 else f"{100 * p:.1f}"


def say(verdict, keep):
    """Draw a verdict in words and the numbers behind it. Args: keep: percent of known pictures kept."""
    name = class_name(verdict.class_name)
    box = {"ID": st.success, "OOD": st.warning}[verdict.verdict]
    box(f"**{t(f'verdict.says_{verdict.verdict}', name=name)}**", icon=ICON[verdict.verdict])
    numbers = {"p": percent(verdict.p_value), "level": f"{100 - keep:g}", "confidence": style.percent(verdict.confidence)}
    st.markdown(t(f"verdict.because_{verdict.verdict}", name=name, **numbers))
