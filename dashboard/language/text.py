"""Text that people wrote, made safe to show."""

import re

LONGEST = 600  # characters of a sentence: it may repeat a path, or what a library said
ACTIVE = re.compile(
    r"""[\\`*\[\]<>$~|]"""  # emphasis, code, links, HTML, formulas, tables
    r"""|(?<!\w)_|_(?!\w)"""  # emphasis too, but not between letters
    r"""|:(?=[\w+-]+(?:/[\w+-]+)?:|[\w-]+\[|//)"""  # an icon, an emoji, a colour, an address
    r"""|(?<=www)\.|@(?=\w)"""  # addresses without a scheme
    r"""|^[#+=-]|(?<=^\d)[.)]|&(?=#?\w+;)"""  # a heading, a list, a sign by its name
)


ALIKE = str.maketrans("\\`*[]<>$~|_:#&", "＼ˋ∗［］‹›＄∼∣＿：＃＆")  # what looks the same and does nothing


def harmless(text, *, longest=80):
    """Return a name that does nothing in Markdown, in a chart or as alternative text: what would, becomes a sign that looks alike.

    For names that are shown in all of these, such as classes; most names have nothing of the kind and stay as they are.
    """
    text = "".join(c for c in text if c.isprintable())
    text = text if len(text) <= longest else f"{text[: longest // 2]}…{text[-longest // 2 :]}"
    return ACTIVE.sub(lambda found: found[0].translate(ALIKE), text)


def plain(text):
    """Return a file's name so that Markdown shows it letter by letter, without control characters and not too long."""
    text = "".join(c for c in text if c.isprintable())
    text = text if len(text) <= 60 else f"{text[:28]}…{text[-28:]}"
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~$:^=@&-]|(?<=www)\.)", r"\\\1", text)


def sentence(text):
    """Return a sentence that may repeat what people wrote so that Markdown shows it letter by letter; what does nothing in Markdown stays as it is."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split(" "))
    text = text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}…{text[-LONGEST // 2 :]}"
    return ACTIVE.sub(r"\\\g<0>", text)


def for_spreadsheet(text):
    """Return a text so that no spreadsheet takes it for a formula: behind an apostrophe where it begins as one does.

    Source: OWASP, CSV injection.
    """
    return f"'{text}" if text[:1] in tuple("=+-@\t\r\n＝＋－＠") else text
