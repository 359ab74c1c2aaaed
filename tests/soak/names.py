"""What people and links may say: names of files, and query parameters."""

import random
import re
from itertools import count
from pathlib import Path

ALIVE = re.compile(r"(?<!\\)(?:\\\\)*(?:[`*\[\]<>$~|]|:(?=material|//))")  # Markdown's signs without a backslash before them
MARKUP = "<img src=x onerror=alert(1)>**b**[x](javascript:alert(1))$x$ :material/delete: .png"
HOSTILE = (
    MARKUP,
    *("", ".", "..", "/", "\\", "../../../../etc/passwd", "..\\..\\windows\\win.ini", "/etc/passwd", "C:\\a.png", "~/.ssh/id_rsa", "file:///etc/passwd"),
    *("a\0b.png", "\x1b[2J\x07.png", "a\r\nSet-Cookie: b", "\u202egnp.exe", "\u200b\ufeff\u2028", "=cmd|' /C calc'!A0", "@SUM(1)", "-1", "+1", "%s%n{0}{name}"),
    *("x" * 5000, "고양이" * 2000, "😀" * 500, "a/" * 3000 + "b.png", "." * 300, "CON", "NUL.png", "' OR 1=1 --", '"; DROP TABLE runs; --', "${jndi:ldap://a}"),
    *("NaN", "inf", "-0", "1e999", "9" * 400, "٣", "true", "null", "[]", "{}", "a,b,,c", ",", "%00", "&amp;", "<!--", "__proto__"),
)
IDS = (
    *(
        "toybox:test/999999999",
        "toybox:test/-1",
        "toybox:test/1e3",
        "toybox:nowhere/1",
        "data:../../../../etc/passwd/0",
        "data:/etc/passwd/0",
        "noise:uniform/99999",
    ),
    *(
        "upload:" + "0" * 32,
        "upload:",
        "puzzle:0:toybox:test/1",
        "puzzle:" * 500 + "toybox:test/1",
        "puzzle:0:" * 300 + "toybox:test/1",
        "puzzle:-1:toybox:test/1",
    ),
    *("puzzle:999999999:noise:uniform/0", "puzzle:1:/0", "torchvision:CIFAR10/test/0", "torchvision:../../x/0", "toybox:test/٣", "/", "//", "s3://bucket/a/0"),
)
KEYS = re.compile(r'(?:remember(?:_several)?\(|query_params(?:\.get\(|\.pop\(|\[))\s*f?"(\w+)"')


def names(seed=0):
    """Yield hostile names without end: those made by hand, then drawn ones."""
    yield from HOSTILE
    for number in count(seed):
        draw = random.Random(number)
        yield "".join(
            draw.choice((MARKUP, "/", "..", "\\", "\0", ".png", chr(draw.randrange(1, 0xD800)), chr(draw.randrange(0xE000, 0x11000)))) for _ in range(9)
        )


def keys():
    """Return the query parameters that the pages read, as their sources say."""
    files = sorted((Path(__file__).parents[2] / "dashboard").rglob("*.py"))
    return sorted({key for file in files for key in KEYS.findall(file.read_text("utf-8"))} | {"picture", "pinned", "training", "build"})


def queries(pages, seed=0):
    """Yield (page, {parameter: value or values}) without end, page after page. A model is named rightly in most, so that the page is drawn whole."""
    known = keys()
    for number in count(seed):
        draw = random.Random(number)
        query = {key: _value(draw) for key in draw.sample(known, draw.randrange(1, len(known)))}
        if draw.random() < 0.8:
            query["pack"] = "toybox"
        if draw.random() < 0.7:
            query["picture"] = draw.choice(IDS)
        yield pages[number % len(pages)], query


def _value(draw):
    one = draw.choice((*HOSTILE, *IDS, str(draw.randrange(-5, 200)), str(draw.random() * 100)))
    return [one, draw.choice(HOSTILE)] if draw.random() < 0.1 else one
