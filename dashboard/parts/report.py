"""Hand a verdict over: one file that says why, made when it is asked for."""

import re
from dataclasses import replace
from pathlib import Path

import streamlit as st

from dashboard import compute
from dashboard.language import language, t
from dashboard.session import pictures


def report_button(settings, picture_id, detector, keep):
    """Draw the download of a report in the language in use. Args: detector: who decides; keep: percent of known pictures kept."""
    loaded, item, wanted = compute.pack(settings.pack), pictures.find(picture_id), language()
    made_here = picture_id.startswith("puzzle:")
    item = replace(item, name="puzzle.png") if made_here else item
    spec = None if made_here or picture_id.startswith("upload:") else picture_id

    def make():
        from core.report.facts import gather
        from core.report.page import page

        return page(gather(loaded, item, spec=spec, detector=detector, keep=keep / 100), item, wanted)

    name = re.sub(r"\W+", "-", Path(item.name).stem).strip("-")[:60]
    st.download_button(t("report.button"), make, f"report-{name}-{wanted}.html", "text/html", key="report", icon=":material/description:", on_click="ignore")
    st.caption(t("report.what"))
