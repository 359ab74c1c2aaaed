"""The dashboard: `python -m streamlit run dashboard/app.py` from the project's root."""
