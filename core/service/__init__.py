"""Verdicts over HTTP: what `python -m core verdict --json` says, for a product to call. `core.service.app.create_app` makes the service."""
