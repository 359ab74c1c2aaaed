"""The dashboard's entry: pages, their order, and who may see them."""

from pathlib import Path

import streamlit as st

from dashboard import serving, signin
from dashboard.language import t

st.set_page_config(page_title="Blockscope", page_icon=str(Path(__file__).parents[1] / "assets" / "icon.png"), layout="wide")
inside = signin.inside()
status = st.Page("views/status.py", title=t("status.page"), icon=":material/monitor_heart:", url_path="status")
page = st.navigation(
    [
        st.Page("views/verdict.py", title=t("verdict.page"), icon=":material/center_focus_strong:", url_path="verdict", default=True),
        st.Page("views/tour.py", title=t("tour.page"), icon=":material/explore:", url_path="tour"),
        st.Page("views/blocks.py", title=t("blocks.page"), icon=":material/stacked_bar_chart:", url_path="blocks"),
        st.Page("views/detector.py", title=t("detect.page"), icon=":material/query_stats:", url_path="detector"),
        st.Page("views/confidence.py", title=t("confidence.page"), icon=":material/speed:", url_path="confidence"),
        st.Page("views/trust.py", title=t("trust.page"), icon=":material/handshake:", url_path="trust"),
        st.Page("views/training.py", title=t("training.page"), icon=":material/model_training:", url_path="training"),
        st.Page("views/corruptions.py", title=t("corruptions.page"), icon=":material/blur_on:", url_path="corruptions"),
        st.Page("views/adaptation.py", title=t("adapt.page"), icon=":material/autorenew:", url_path="adaptation"),
        st.Page("views/workshop.py", title=t("workshop.page"), icon=":material/construction:", url_path="workshop"),
        st.Page("views/runs.py", title=t("runs.page"), icon=":material/inventory_2:", url_path="runs"),
        *([status] if signin.administers() or not inside else []),
    ],
    position="sidebar" if inside else "hidden",
)
if inside:
    signin.way_out()
    serving.run(page)
else:
    signin.door()
