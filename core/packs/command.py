"""What `python -m core pack new` and `pack check` do: ID accuracy first, then the pack."""

from pathlib import Path

from core.errors import InputError
from core.images.preprocess import Preprocessing
from core.images.sources import named_sources
from core.networks.build import read_state
from core.networks.guess import fit, guess
from core.networks.inputs import usual_preprocessing
from core.packs.new import TORCHVISION, Order, check, new_pack

LISTED = 12  # lines of what does not fit


def check_or_make(options, *, progress, log):
    """Check a network as the parsed command line says, and make its pack where the action is "new".

    Args: progress: makes a callback (done, total) from a word; log: told what is being done.
    Returns: the document of --json.
    Raises: InputError for weights, pictures or labels that do not work, or an accuracy that cannot be believed, unless --anyway.
    """
    order = order_of(options, log=log)
    found = check(order, device=options.device, progress=progress("checking"))
    accuracy = "unknown (no labels)" if found.accuracy is None else f"{100 * found.accuracy:.1f} %"
    log(f"ID accuracy {accuracy} on {found.pictures} known pictures")
    document = {
        "arch": order.arch,
        "accuracy": None if found.accuracy is None else round(100 * found.accuracy, 2),
        "pictures": found.pictures,
        "doubtful": found.doubtful,
        "classes": list(found.classes),
        "first": [
            {"name": name, "label": None if label < 0 else found.classes[label], "predicted": found.classes[guessed], "confidence": round(sure, 4)}
            for name, label, guessed, sure in zip(found.names, found.labels, found.predicted, found.confidence, strict=True)
        ],
        "unreadable": len(found.unreadable),
    }
    if options.action == "check":
        if found.warning:
            log(f"warning: {found.warning}")
        return document
    if not options.out:
        raise InputError("Say where the pack goes: --out FOLDER.", key="cli.out")
    if found.warning and not options.anyway:
        raise InputError(f"{found.warning} Look at it with pack check, or add --anyway.", key=found.warning.key, **found.warning.values)
    figures = new_pack(order, options.out, device=options.device, progress=progress("measuring"), log=log)
    return {"out": options.out, "arch": order.arch, "check": document, "figures": figures}


def order_of(options, *, log):
    """Return the `Order` of the parsed command line; an architecture that was not named is guessed."""
    weights = TORCHVISION if options.weights == TORCHVISION else Path(options.weights)
    settings = named_options(options.option)
    if weights == TORCHVISION and not options.arch:
        raise InputError("Published weights need a name: add --arch, such as resnet50.", key="cli.arch")
    found = None if weights == TORCHVISION else _fitting(read_state(weights), options, settings, log)
    arch, settings = (found.arch, found.options) if found else (options.arch, settings)
    changed = {name: getattr(options, name) for name in ("mean", "std", "jpeg", "resize") if getattr(options, name) is not None}
    usual = usual_preprocessing(arch, **settings)
    if options.size and options.size != usual.size:
        changed = {"size": options.size, "resize": None, **changed}
    given = {f: getattr(usual, f) for f in ("size", "mean", "std", "jpeg", "resize")}
    return Order(
        weights=weights,
        arch=arch,
        images=options.images,
        width=found.width if found else options.width,
        options=settings,
        classes=_names(options),
        preprocessing=Preprocessing(**{**given, **changed}),
        val=options.val,
        ood=named_sources(options.ood),
        limit=options.limit,
        seed=options.seed,
        border=options.border,
        title=options.title,
    )


def named_options(pairs):
    """Return {name: whole number} of "NAME=NUMBER" strings. Raises: InputError for anything else."""
    found = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        if not name.isidentifier() or not value.isdecimal():
            raise InputError(f"{pair!r} is not of the form NAME=NUMBER; write, say, stem_padding=2.", key="cli.option", pair=pair)
        found[name] = int(value)
    return found


def _fitting(state, options, settings, log):
    """Return the `Fit` of the architecture that was named, or of the first that fits. Raises: InputError, after a line a key, where none does."""
    if options.arch:
        best = fit(state, options.arch, width=options.width, **settings)
    else:
        fits = guess(state)
        if not fits:
            keys = ", ".join(list(state)[:3])
            raise InputError(f"No known architecture has keys such as {keys}; name it with --arch.", key="weights.unguessed", keys=keys)
        best = fits[0]
        width = f" of width {best.width}" if best.width else ""
        also = ", ".join(" ".join((f"--arch {f.arch}", *(f"--option {k}={v}" for k, v in f.options.items()))) for f in fits[1:] if f.exact)
        log(f"{'guessed' if best.exact else 'nearest is'} {best.arch}{width}, {best.classes} classes" + (f"; fits as well: {also}" if also else ""))
    if not best.exact:
        for line in best.problems[:LISTED]:
            log(line)
        rest = len(best.problems) - LISTED
        if rest > 0:
            log(f"and {rest} more")
        raise InputError(
            f"The weights do not fit {best.arch}: {len(best.problems)} keys differ, the first: {best.problems[0]}.",
            key="weights.misfit",
            arch=best.arch,
            n=len(best.problems),
            first=best.problems[0],
        )
    return best


def _names(options):
    """Return the class names given as words or as a file of one a line, or None."""
    if options.classes_file:
        file = Path(options.classes_file)
        if not file.is_file():
            raise InputError(f"There is no file {file}; check the path of the class names.", key="cli.classes_file", file=str(file))
        return tuple(line.strip() for line in file.read_text("utf-8").splitlines() if line.strip())
    return tuple(name.strip() for name in options.classes.split(",")) if options.classes else None
