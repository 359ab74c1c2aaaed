"""Packs made to harm whoever loads them: a whole small pack, changed in one place."""

import json
import random
import shutil
import tomllib
from copy import deepcopy
from itertools import count

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.packs import SHIPPED
from tests.soak.weights import tensor_file

WHOLE = SHIPPED / "toybox-standard"
MARKUP = "<img src=x onerror=alert(1)>**b**[x](javascript:alert(1))$x$ :material/delete: \x07\u202e"
ODD = (
    *(None, True, -1, 0, 10**30, -(10**30), 1e308, float("nan"), float("inf"), "", "../../../../etc/passwd", "/dev/zero", MARKUP, "x" * 100_000),
    *([], [[]], [[[[]]]], {}, {"a": {"b": {}}}, [1, "x"], ["x"] * 10_000, list(range(10_000)), 2**31, 2**63 - 1, 0.5),
)


def copied(folder, name="pack"):
    """Copy the whole pack. Returns: its folder."""
    return shutil.copytree(WHOLE, folder / name)


def changed_toml(folder, change):
    """Copy the pack with another pack.toml. Args: change: told the document, returns another, or text."""
    pack = copied(folder)
    document = change(tomllib.loads((pack / "pack.toml").read_text("utf-8")))
    text = document if isinstance(document, (str, bytes)) else toml(document)
    (pack / "pack.toml").write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))
    return pack


def changed_table(folder, change, file="reference.parquet"):
    """Copy the pack with another table of numbers. Args: change: told the table, returns another."""
    pack = copied(folder)
    pq.write_table(change(pq.read_table(pack / file)), pack / file)
    return pack


def shaken(folder, seed):
    """Copy the pack with one value of pack.toml replaced by one of `ODD`, or left out, by the seed."""
    draw = random.Random(seed)

    def change(document):
        place = document
        while True:
            key = draw.choice(list(place) if isinstance(place, dict) else range(len(place)))
            if not isinstance(place[key], (dict, list)) or not place[key] or draw.random() < 0.3:
                break
            place = place[key]
        value = deepcopy(draw.choice(ODD))
        if value is None:
            del place[key]
        else:
            place[key] = value
        return document

    return changed_toml(folder, change)


def toml(value, *, inside=False):
    """Write a document as TOML, a line for each of its values: much faster than what keeps every blank."""
    if isinstance(value, dict):
        pairs = [f"{json.dumps(str(name))} = {toml(part, inside=True)}" for name, part in value.items()]
        return "{" + ", ".join(pairs) + "}" if inside else "\n".join(pairs) + "\n"
    if isinstance(value, list):
        return "[" + ", ".join(toml(part, inside=True) for part in value) + "]"
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def packs(seed=0):
    """Yield (what it is, function of a folder that writes the pack and returns it) without end."""
    yield from MADE.items()
    for number in count(seed):
        yield "one value changed", lambda folder, number=number: shaken(folder, number)


def _without(folder, file):
    pack = copied(folder)
    (pack / file).unlink()
    return pack


def _with(folder, file, content):
    pack = copied(folder)
    (pack / file).write_bytes(content)
    return pack


def _linked(folder, file, to):
    pack = _without(folder, file)
    (pack / file).symlink_to(to)
    return pack


def _pickled(folder):
    pack = copied(folder)
    tensor_file(folder, "bomb").replace(pack / "weights.safetensors")
    return pack


def _set(table, name, column):
    return table.set_column(table.column_names.index(name), name, column)


def _numbers(table, name, change):
    """Return a table with one column of lists of numbers changed. Args: change: told an (N, D) array, returns another of N rows."""
    column = table.column(name).combine_chunks()
    values = change(np.array(column.flatten().to_numpy(zero_copy_only=False).reshape(len(table), -1)))
    return _set(table, name, pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1]))


def _one(value):
    def change(values):
        values[len(values) // 2, 0] = value
        return values

    return change


def _labels(value):
    return lambda table: _set(table, "label", pa.array(np.full(len(table), value), pa.int16()))


def _many_rows(table):
    """Return a table that claims 400 million numbers and has none: little on disk, much in memory."""
    return pa.table({"set": pa.nulls(4 * 10**8)})


def _merged(**values):
    return lambda document: document | values


def _within(table, **values):
    return lambda document: document | {table: document[table] | values}


MADE = {
    "no files": lambda f: (f / "pack").mkdir() or f / "pack",
    "no weights": lambda f: _without(f, "weights.safetensors"),
    "no numbers": lambda f: _without(f, "reference.parquet"),
    "weights that are a folder": lambda f: (_without(f, "weights.safetensors") / "weights.safetensors").mkdir() or f / "pack",
    "weights that are another file": lambda f: _linked(f, "weights.safetensors", "/etc/passwd"),
    "weights that are a device": lambda f: _linked(f, "weights.safetensors", "/dev/zero"),
    "pack.toml that is a device": lambda f: _linked(f, "pack.toml", "/dev/zero"),
    "weights that are a pickle": _pickled,
    "no bytes": lambda f: changed_toml(f, lambda d: b""),
    "not UTF-8": lambda f: changed_toml(f, lambda d: b"\xff\xfe\0"),
    "100 MB of pack.toml": lambda f: changed_toml(f, lambda d: toml(d) + "#" * (100 * 2**20)),
    "a million brackets": lambda f: changed_toml(f, lambda d: "a = " + "[" * 10**6),
    "a million dots": lambda f: changed_toml(f, lambda d: "a" + ".a" * 10**5 + " = 1"),
    "a million digits": lambda f: changed_toml(f, lambda d: "format = " + "9" * 10**6),
    "another format": lambda f: changed_toml(f, _merged(format=10**12)),
    "10,000 classes": lambda f: changed_toml(f, _merged(classes=[f"class {i}" for i in range(10_000)])),
    "200,000 classes": lambda f: changed_toml(f, _merged(classes=["x"] * 200_000)),
    "classes that are markup": lambda f: changed_toml(f, _merged(classes=[f"{MARKUP}{i}" for i in range(10)])),
    "a title that is markup": lambda f: changed_toml(f, _merged(title=MARKUP)),
    "a width of a terabyte": lambda f: changed_toml(f, _merged(width=4096)),
    "another architecture": lambda f: changed_toml(f, _merged(arch="vit_h_14")),
    "an architecture that is a path": lambda f: changed_toml(f, _merged(arch="../../../etc/passwd")),
    "options that are a path": lambda f: changed_toml(f, _merged(options={"weights": "/dev/zero"})),
    "a million layers": lambda f: changed_toml(f, _merged(options={"depth": 10**6})),
    "files in other folders": lambda f: changed_toml(f, _merged(files={"../../../../etc/passwd": "0", "/etc/passwd": "0"})),
    "pictures in other folders": lambda f: changed_toml(f, _merged(pictures={"held_out": {"source": "data:../../../../etc/passwd"}})),
    "inputs of 4,096 pixels": lambda f: changed_toml(f, _within("preprocessing", size=10**9)),
    "deviation 0": lambda f: changed_toml(f, _within("preprocessing", std=[0.0, 1.0, 1.0])),
    "a block that is not there": lambda f: changed_toml(f, _within("selection", selected="nowhere")),
    "no numbers at all": lambda f: changed_table(f, lambda t: t.slice(0, 0)),
    "one row": lambda f: changed_table(f, lambda t: t.slice(0, 1)),
    "400 million rows": lambda f: changed_table(f, _many_rows),
    **{f"no column {name}": lambda f, name=name: changed_table(f, lambda t: t.drop_columns([name])) for name in ("set", "label", "logits", "norms", "middle")},
    "a column of text": lambda f: changed_table(f, lambda t: _set(t, "logits", pa.array([MARKUP] * len(t)))),
    "a column of nothing": lambda f: changed_table(f, lambda t: _set(t, "features", pa.nulls(len(t)))),
    "lists of different lengths": lambda f: changed_table(f, lambda t: _set(t, "norms", pa.array([[0.5] * (i % 7) for i in range(len(t))]))),
    "sets that are numbers": lambda f: changed_table(f, lambda t: _set(t, "set", pa.array(range(len(t))))),
    "sets that are nothing": lambda f: changed_table(f, lambda t: _set(t, "set", pa.nulls(len(t), pa.string()))),
    "labels beyond the classes": lambda f: changed_table(f, _labels(9999)),
    "labels of nothing": lambda f: changed_table(f, _labels(-1)),
    "NaN among the logits": lambda f: changed_table(f, lambda t: _numbers(t, "logits", _one(np.nan))),
    "infinity among the norms": lambda f: changed_table(f, lambda t: _numbers(t, "norms", _one(np.inf))),
    "NaN among the features": lambda f: changed_table(f, lambda t: _numbers(t, "features", _one(np.nan))),
    "NaN among the means": lambda f: changed_table(f, lambda t: _numbers(t, "middle", _one(np.nan))),
    "features that are too short": lambda f: changed_table(f, lambda t: _numbers(t, "features", lambda v: v[:, :5])),
    "logits that are too many": lambda f: changed_table(f, lambda t: _numbers(t, "logits", lambda v: np.hstack([v, v]))),
    "numbers cut off": lambda f: _with(f, "reference.parquet", (WHOLE / "reference.parquet").read_bytes()[:-100]),
    "another second pass": lambda f: changed_table(f, lambda t: t.slice(0, 5), "perturbed.parquet"),
    "NaN in the second pass": lambda f: changed_table(f, lambda t: _numbers(t, "logits", _one(np.nan)), "perturbed.parquet"),
}
