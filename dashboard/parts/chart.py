"""Show a chart so that everybody can read it: by eye, by ear and as a table."""

import streamlit as st

from dashboard.language import t
from dashboard.language.text import for_spreadsheet

CONFIG = {"displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d", "pan2d"]}


def show(figure, *, alt, table, key, **options):
    """Draw a Plotly figure with its finding as alternative text and its data as a table below.

    Args: alt: one sentence, the finding; table: a DataFrame of what is drawn; **options: as `st.plotly_chart`.
    Returns: what `st.plotly_chart` returns.
    """
    event = st.plotly_chart(figure, alt=alt, key=key, config=CONFIG, **options)
    with st.expander(t("chart.table"), icon=":material/table:"):
        st.dataframe(table, hide_index=True, key=f"{key}_table", alt=t("chart.table_alt", finding=alt))
    return event


def picked(event):
    """Return the first customdata value of a chart's selection, or None. Plotly gives lists from bars, dicts from scatter."""
    points = ((event or {}).get("selection") or {}).get("points") or []
    data = points[0].get("customdata") if points else None
    if isinstance(data, dict):
        data = list(data.values())
    return data[0] if isinstance(data, list) and data else data


def table(words, rows):
    """Build the table below a chart. Args: words: names of "word.*" sentences that head the columns, separated by blanks."""
    import pandas as pd  # 0.4 s that the title of the first page does not wait for

    return pd.DataFrame(rows, columns=[t(f"word.{word}") for word in words.split()])


def download_csv(frame, file):
    """Offer a DataFrame as a CSV file that spreadsheets read in any language. Args: file: its name."""
    safe = frame.map(lambda cell: for_spreadsheet(cell) if isinstance(cell, str) else cell)
    csv = safe.to_csv(index=False).encode("utf-8-sig", "replace")
    st.download_button(t("verdict.csv"), csv, file, "text/csv", icon=":material/download:", on_click="ignore")
