"""Let methods adapt to a stream: what `python -m core adapt` and `select` do."""

import time

import torch

from core.adaptation import ADAPTATIONS, make
from core.adaptation.kept import keep_selection, kept_selection
from core.adaptation.run import run, summarise
from core.adaptation.stream import ReadyStream, Stream
from core.errors import InputError
from core.images.sources import open_source, read
from core.packs import load_pack
from core.provenance import command_line
from core.table import look_up


def adapt_methods(options, network, preprocessing, *, progress, log):
    """Run each method over the same stream, each on a copy of its own.

    Args: options: of `core.cli.parse`; network, preprocessing: the source model; progress: of a task's name, gives a callback (done, total);
        log: told what is being done.
    Returns: {methods: {name: as `core.adaptation.run.summarise`}}.
    Raises: InputError for names, sources and methods that do not go together, before anything is computed.
    """
    names = options.methods.split(",")
    for name in names:
        look_up(ADAPTATIONS, name, kind="adaptation method")
    wants = [name for name in names if "pictures" in ADAPTATIONS[name].needs]
    if wants and not options.source:
        raise InputError(f"{ADAPTATIONS[wants[0]].title} needs pictures of the source: add --source SRC.", key="adaptation.pictures", method=wants[0])
    stream = make_stream(options, preprocessing, progress=progress)
    source = _pictures(options.source, preprocessing, stop=options.source_limit, progress=progress("reading source pictures")) if wants else None
    methods = {}
    for name in names:
        given = {"warmup": options.warmup_batches} if options.warmup_batches is not None and "warmup" in ADAPTATIONS[name].parameters else {}
        if options.pack and not options.reselect and "blocks" in ADAPTATIONS[name].parameters and (kept := kept_selection(options.pack)):
            given["blocks"] = kept.selected
        generator = torch.Generator().manual_seed(options.seed)
        log(f"{name}: setting up")
        began = time.perf_counter()
        method = make(name, network, preprocessing, source=source, generator=generator, progress=progress(f"{name}: set-up"), **given)
        seconds, events = time.perf_counter() - began, []
        for event in run(method, stream):
            events.append(event)
            error = "unknown" if event.error is None else f"{100 * event.error:.1f} %"
            log(f"{name}: batch {event.batch}, {event.domain}, error {error}")
        methods[name] = summarise(events, seconds_setup=seconds, selected_blocks=method.selected_blocks)
    return {"methods": methods}


def select_for_pack(options, *, progress):
    """Select the blocks that DPLOT tunes alone and keep them beside a pack's weights. Args: as `adapt_methods`. Returns: (BlockSelection, the file)."""
    pack = load_pack(options.pack, device=options.device)
    source = _pictures(options.source, pack.preprocessing, stop=options.source_limit, progress=progress("reading source pictures"))
    generator = torch.Generator().manual_seed(options.seed)
    made = make("dplot", pack.network, pack.preprocessing, source=source, generator=generator, progress=progress("selecting blocks"), warmup=0)
    facts = {"command": command_line(options.arguments), "seed": options.seed, "device": str(pack.device)}
    return made.selection, keep_selection(options.pack, made.selection, beside=True, **facts)


def make_stream(options, preprocessing, *, progress):
    """Return the stream that the parsed command line names. Raises: InputError unless it names one."""
    if bool(options.stream) == bool(options.images):
        raise InputError("Say which stream: --stream SRC, or --images SRC with --corruptions.", key="stream.which")
    if options.stream:
        return ReadyStream(open_source(options.stream), preprocessing, setting=options.setting, batch_size=options.batch_size, stop=options.limit)
    batch = _pictures(options.images, preprocessing, stop=options.limit, progress=progress("reading pictures"))
    unknown = _pictures(options.ood, preprocessing, stop=options.limit, progress=progress("reading unknown pictures")).images if options.ood else None
    return Stream(
        batch.images,
        batch.labels,
        _corruptions(options.corruptions),
        setting=options.setting,
        severity=options.severity,
        batch_size=options.batch_size,
        seed=options.seed,
        unknown=unknown,
        share=options.ood_share if options.ood else 0.0,
    )


def _corruptions(words):
    from core.corruptions import CORRUPTIONS

    if words == "all":
        return tuple(CORRUPTIONS)[:15]  # the published ones; what follows is for tuning
    names = tuple(words.split(","))
    for name in names:
        if name != "clean":
            look_up(CORRUPTIONS, name, kind="corruption")
    return names


def _pictures(spec, preprocessing, **options):
    batch = read(open_source(spec), preprocessing, **options)
    if not batch.names:
        reason = f"; the first: {batch.errors[0][1]}" if batch.errors else ""
        raise InputError(f"No picture of {spec} can be read{reason}.", key="source.empty", spec=str(spec))
    return batch
