"""What `python -m core explain` does beyond reading its options."""

import time
from pathlib import Path

import torch

from core.errors import InputError, unknown
from core.explanation import EXPLANATIONS, OF_NORM, explain
from core.explanation.common import classes_of, norm_of
from core.explanation.drawing import sheet
from core.explanation.faithfulness import area, deletion, insertion, probability_of, random_maps
from core.images.preprocess import stack
from core.images.sources import Item
from core.packs import load_pack
from core.table import look_up

RANDOM = 3  # random orders that deletion and insertion are held against
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
    rows, maps = [], []
    for name in names:
        of_norm = name in OF_NORM
        at = block or (pack.selection.selected if of_norm else None)
        began = time.perf_counter()
        try:
            values = explain(name, pack.network, image, target=classes, block=at)
        except InputError as error:
            if len(names) == 1 or error.key != "explanation.unavailable":
                raise
            rows.append({"method": name, "title": EXPLANATIONS[name].title, "error": str(error)})
            continue
        seconds = time.perf_counter() - began
        measure = norm_of(pack.network, at) if of_norm else probability_of(pack.network, classes.expand(1 + RANDOM))
        rows.append({**_row(name, values, measure, image), "block": at, "seconds": round(seconds, 3), "error": None})
        maps.append(values[0].cpu().numpy())
    if options.out:
        sheet(pixels, maps).save(options.out)
    return {"file": str(options.picture), "pack": pack.name, "class": pack.classes[classes.item()], "out": options.out, "methods": rows}


def line(row):
    """Return the cells of one method's line for people."""
    if row["error"]:
        return row["method"], row["error"]
    figures = (f"{row[key]:.3f} (random {row['random'][key]:.3f})" for key in ("deletion", "insertion"))
    return row["method"], "peak {},{}".format(*row["peak"]), *figures, f"{100 * row['positive']:.0f} %", f"{row['seconds']:.2f} s"


def _row(name, values, measure, image):
    side, peak = values.shape[-1], values.argmax().item()
    image = image.expand(1 + RANDOM, -1, -1, -1)
    orders = torch.cat([values, random_maps(image[1:], generator=torch.Generator().manual_seed(0))])
    areas = {way.__name__: area(way(measure, image, orders)).tolist() for way in (deletion, insertion)}
    return {
        "method": name,
        "title": EXPLANATIONS[name].title,
        "peak": [peak % side, peak // side],
        "positive": (values.clamp_min(0).sum() / values.abs().sum().clamp_min(1e-12)).item(),
        **{way: found[0] for way, found in areas.items()},
        "random": {way: sum(found[1:]) / RANDOM for way, found in areas.items()},
    }


def _class(pack, name):
    """Return the index of a class by its name, or None for None."""
    if name is not None and name not in pack.classes:
        raise unknown("class", name, pack.classes)
    return None if name is None else pack.classes.index(name)
