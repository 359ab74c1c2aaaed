"""Check what a pack.toml says before anything believes it: which values it must have, of which kind, within which bounds. No torch.

Values that nothing reads are let through, whatever they are.
"""

import math

MOST_CLASSES, MOST_BLOCKS, LONGEST = 100_000, 2000, 2000  # LONGEST: characters of a text that is shown


def check_facts(facts):
    """Check the whole of a pack.toml. Raises: ValueError that names the value, what it is and what was expected."""
    _table(facts, "pack.toml", NEEDED, OPTIONAL)
    selection = facts["selection"]
    blocks = selection["blocks"]
    for name in ("norm_id", "norm_jigsaw", "norm_ratio"):
        _length(selection[name], f"selection.{name}", len(blocks))
    for row in selection["by_permutation"]:
        _length(row, "selection.by_permutation", len(blocks))
    for name in ("selected", "middle"):
        if selection[name] not in blocks:
            raise ValueError(f"selection.{name} is {_shown(selection[name])}, which is no block of selection.blocks")


def _table(value, place, needed, optional=None, others=None):
    """Check a table. Args: needed, optional: {name: check}; others: the check of every other value, or None."""
    if not isinstance(value, dict):
        raise _wrong(value, place, "a table")
    if missing := [name for name in needed if name not in value]:
        raise ValueError(f"{place} lacks {', '.join(missing)}")
    checks = {**needed, **(optional or {})}
    for name, part in value.items():
        if check := checks.get(name, others):
            check(part, name if place == "pack.toml" else f"{place}.{name[:60]}")


def _text(value, place):
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST:
        raise _wrong(value, place, f"a text of 1 to {LONGEST:,} characters")


def _words(value, place):
    if not isinstance(value, str):
        raise _wrong(value, place, "a text")


def _whole(low, high):
    def check(value, place):
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise _wrong(value, place, f"a whole number from {low:,} to {high:,}")

    return check


def _number(low=-math.inf, high=math.inf):
    def check(value, place):
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not (math.isfinite(value) and low <= value <= high):
            raise _wrong(value, place, "a number" if low == -math.inf else f"a number from {low:g} to {high:g}")

    return check


def _list(check, least, most):
    def check_all(value, place):
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise _wrong(value, place, f"a list of {least:,} to {most:,}")
        for part in value:
            check(part, place)

    return check_all


def _tables(needed, optional):
    return lambda value, place: _table(value, place, {}, None, lambda part, name: _table(part, name, needed, optional))


def _length(value, place, length):
    if len(value) != length:
        raise ValueError(f"{place} has {len(value)} numbers for {length} blocks")


def _wrong(value, place, expected):
    return ValueError(f"{place} is {_shown(value)}, expected {expected}")


def _shown(value):
    """Return a value as it stands in a sentence: never longer than a line."""
    if isinstance(value, (dict, list)):
        return f"a {'table' if isinstance(value, dict) else 'list'} of {len(value):,}"
    if isinstance(value, int) and abs(value) > 10**18:
        return "a number of more than 18 digits"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


COUNT, PERCENT, PIXELS, ANY = _whole(0, 10**12), _number(0, 100), _whole(1, 4096), _number()
NORMS = _list(ANY, 1, MOST_BLOCKS)
NEEDED = {
    "format": _whole(0, 10**6),
    "arch": _text,
    "classes": _list(_text, 1, MOST_CLASSES),
    "detector": _text,
    "sets": _list(_text, 0, 1000),
    "training": lambda value, place: _table(value, place, {"method": _text}, {name: ANY for name in ("pictures", "width", "epochs", "seed", "ema")}),
    "figures": lambda value, place: _table(
        value, place, {}, {"accuracy": PERCENT, "pictures": COUNT, "consensus": _tables({"auroc": PERCENT, "fpr95": PERCENT}, {})}
    ),
    "preprocessing": lambda value, place: _table(
        value,
        place,
        {"size": PIXELS, "mean": _list(_number(-1e9, 1e9), 3, 3), "std": _list(_number(1e-9, 1e9), 3, 3)},
        {"jpeg": _whole(1, 95), "resize": PIXELS},
        lambda part, name: _refuse(name),
    ),
    "selection": lambda value, place: _table(
        value,
        place,
        {
            "blocks": _list(_text, 1, MOST_BLOCKS),
            **dict.fromkeys(("norm_id", "norm_jigsaw", "norm_ratio"), NORMS),
            "by_permutation": _list(NORMS, 1, 1000),
            **dict.fromkeys(("selected", "middle", "mode"), _text),
            "images": COUNT,
        },
        {"border": _text},
    ),
}
OPTIONAL = {
    "width": _whole(1, 4096),
    "title": _text,
    "measured": _words,
    "options": lambda value, place: _table(value, place, {}, None, _whole(-(10**6), 10**6)),
    "files": lambda value, place: _table(value, place, {}, None, _text),
    "pictures": _tables({"source": _text}, {"rows": _list(COUNT, 0, 10**7), "puzzle_seed": _whole(0, 10**9)}),
}


def _refuse(name):
    raise ValueError(f"{name} is nothing that pictures are prepared with")
