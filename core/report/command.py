"""What `python -m core report` does beyond reading its options."""

import re
from pathlib import Path

from core.disk import write_whole
from core.errors import InputError
from core.images.sources import Item, open_source
from core.packs import load_pack
from core.report.facts import gather
from core.report.page import page
from core.report.sentences import sentences


def report_picture(options, *, keep):
    """Measure one picture and write its report.

    Args: options: of the command; keep: the share of known pictures, a fraction. Returns: the document that the command prints.
    Raises: InputError for what the command was given wrongly.
    """
    if Path(options.out).suffix.lower() not in (".html", ".htm"):
        raise InputError(f"A report is a web page, not {options.out}; end its name in .html.", key="report.out", out=str(options.out))
    pack = load_pack(options.pack, device=options.device)
    item, spec = find(options.picture)
    methods = [name for name in options.method.split(",") if name]
    judging = {"detector": options.detector, "keep": keep, "risk": options.risk / 100, "share": options.unknown_share / 100}
    facts = gather(pack, item, spec=spec, methods=methods, **judging)
    write_whole(options.out, page(facts, item, options.lang).encode())
    told = [{"key": s.key, "text": s.text, "values": s.values} for s in sentences(facts, options.lang)]
    return {"file": facts.file, "pack": facts.pack, "verdict": facts.verdict, "class": facts.class_name, "out": str(options.out), "sentences": told}


def find(picture):
    """Find a picture: a file, or "SOURCE/INDEX" such as toybox:test/3.

    Returns: (`Item`, the same "SOURCE/INDEX", or None for a file).
    Raises: InputError if the source has no such picture. A file is looked at when it is opened.
    """
    held = re.fullmatch(r"(.*:.*|.*\.parquet|.*\.npz)/(\d{1,9})", picture)
    if Path(picture).exists() or not held:
        return Item(Path(picture).name, Path(picture)), None
    source, index = open_source(held[1]), int(held[2])
    if index >= len(source):
        raise InputError(f"There is no picture {picture!r}; {held[1]} holds {len(source)}, counted from 0.", key="picture.unknown", name=picture)
    return source[index], picture
