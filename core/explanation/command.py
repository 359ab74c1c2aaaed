"""What `python -m core explain` does beyond reading its options."""

from pathlib import Path

from core.disk import whole
from core.errors import InputError, unknown
from core.explanation import EXPLANATIONS
from core.explanation.common import classes_of
from core.explanation.drawing import sheet
from core.explanation.explained import draw, weigh
from core.images.preprocess import stack
from core.images.sources import Item
from core.packs import load_pack
from core.table import look_up

SELECTED = "selected"


def explain_picture(options):
    """Explain one picture with each method, measure what its pixels do to the network, and draw the maps.

    Args: options: of the command. Returns: the document that the command prints.
    Raises: InputError for what the command was given wrongly.
    """
    names = list(EXPLANATIONS) if options.method == "all" else list(dict.fromkeys(options.method.split(",")))
    for name in names:
        look_up(EXPLANATIONS, name, kind="explanation")
    if options.out and Path(options.out).suffix.lower() != ".png":
        raise InputError(f"Maps are drawn as PNG, not into {options.out}; end its name in .png.", key="explanation.out", out=str(options.out))
    pack = load_pack(options.pack, device=options.device)
    pixels = pack.preprocessing.see(Item(str(options.picture), Path(options.picture)).open(near=pack.preprocessing.size))
    image = pack.preprocessing.normalise(stack([pixels]).to(pack.device))
    block = pack.selection.selected if options.block == SELECTED else options.block
    classes = classes_of(pack.network, image, _class(pack, options.target))
    rows, maps, floors = [], [], {}
    for name in names:
        try:
            found = weigh(draw(name, pack, image, target=classes, block=block), pack, image, target=classes, floors=floors)
        except InputError as error:
            if len(names) == 1 or error.key != "explanation.unavailable":
                raise
            rows.append({"method": name, "title": EXPLANATIONS[name].title, "error": str(error)})
            continue
        rows.append(_row(found))
        maps.append(found.values)
    if options.out:
        with whole(options.out) as beside:
            sheet(pixels, maps).save(beside, "PNG")
    return {"file": str(options.picture), "pack": pack.name, "class": pack.classes[classes.item()], "out": options.out, "methods": rows}


def line(row):
    """Return the cells of one method's line for people."""
    if row["error"]:
        return row["method"], row["error"]
    figures = (f"{row[key]:.3f} (best random order {row['random'][key]:.3f})" for key in ("deletion", "insertion"))
    return row["method"], "peak {},{}".format(*row["peak"]), *figures, f"{100 * row['positive']:.0f} %", f"{row['seconds']:.2f} s"


def _row(found):
    return {
        "method": found.method,
        "title": found.title,
        "peak": list(found.peak),
        "positive": found.positive,
        "deletion": found.deletion,
        "insertion": found.insertion,
        "random": {"deletion": found.random_deletion, "insertion": found.random_insertion},
        "block": found.block,
        "seconds": round(found.seconds, 3),
        "error": None,
    }


def _class(pack, name):
    """Return the index of a class by its name, or None for None."""
    if name is not None and name not in pack.classes:
        raise unknown("class", name, pack.classes)
    return None if name is None else pack.classes.index(name)
