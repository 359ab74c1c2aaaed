"""Text that people wrote, made safe to show."""

import re


def plain(text):
    """Return a file's name so that Markdown shows it letter by letter, without control characters and not too long."""
    text = "".join(c for c in text if c.isprintable())
    text = text if len(text) <= 60 else f"{text[:28]}…{text[-28:]}"
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~$:^=-])", r"\\\1", text)
