"""python -m core watch: p-values of pictures, batch by batch, and what they say."""

import time
from dataclasses import asdict, replace

from core.detectors import DETECTORS, ONE_PASS
from core.errors import InputError
from core.images.sources import batches, decode_batch, open_source
from core.table import look_up
from core.watch.arrivals import Arrivals
from core.watch.history import History
from core.watch.scored import is_scored, read_scored
from core.watch.watch import Settings, Watch

POLL = 1.0  # seconds between two looks at a folder


def watch_pictures(options, *, keep, tell=lambda line: None):
    """Watch a source of pictures, or p-values that were computed before.

    Args: keep: the fraction of known pictures that is called ID; tell: called with a line for each batch.
    Returns: {watch: its settings, batches: with `--json` what each said, alarms: their numbers, errors: how many pictures could not be read}.
    Raises: InputError, also where `--out` was begun with other settings.
    """
    stream, begun = (_scored if is_scored(options.images) else _probed)(options, keep)
    history = History(options.out, begun) if options.out else None
    watch = Watch(Settings(**begun["watch"]), history.state if history else None)
    rows, alarms, errors = [], [], 0
    try:
        for names, p_values, unreadable in stream(history.names if history else ()):
            errors += len(unreadable)
            seen = watch.see(p_values)
            if history:
                history.add(seen, names, unreadable, watch.state)
            if options.json:  # else a watch that runs for months would hold them all
                rows.append({**asdict(seen), "names": names})
            alarms += [seen.batch] * seen.alarm
            tell(line(seen, watch.settings))
    except KeyboardInterrupt:
        if not options.follow:
            raise
    return {"watch": asdict(watch.settings), "batches": rows, "alarms": alarms, "errors": errors}


def line(seen, settings):
    """Return what a person reads of a batch."""
    says = (
        f"batch {seen.batch:>4}: {seen.pictures} pictures, {seen.ood} called OOD (p {seen.p_value:.2g}), {len(seen.flagged)} flagged; "
        f"unknown {100 * seen.share:.1f} % ({100 * seen.share_low:.1f} to {100 * seen.share_high:.1f}); evidence 10^{seen.evidence:.1f}"
    )
    return says + f"\nALARM at batch {seen.batch}: drifted since about batch {seen.since}" * seen.alarm


def _scored(options, keep):
    """Return (the stream, what the history is begun with) of a file of p-values."""
    if options.follow:
        raise InputError("--follow watches a folder of pictures, not a file of p-values.", key="watch.follow", spec=str(options.images))
    found = read_scored(options.images)
    known = found.known or (_held_out(options.pack) if options.pack else None)
    if known is None:
        raise InputError("This file does not say how many held-out pictures its p-values are against; name the pack with --pack.", key="watch.pack")
    size, stop = options.batch_size, options.limit or len(found.names)

    def stream(skip):
        for first in range(0, min(stop, len(found.names)), size):
            rows = slice(first, min(first + size, stop))
            yield found.names[rows], found.p_values[rows], ()

    return stream, {"watch": _settings(options, keep, known), "detector": found.detector or options.detector}


def _probed(options, keep):
    """Return (the stream, what the history is begun with) of a source of pictures, measured by a pack."""
    from core.conformal import conformal_p
    from core.packs import load_pack
    from core.verdict import Judge

    if not options.pack:
        raise InputError("Say which pack judges the pictures: --pack P.", key="watch.pack")
    look_up({name: DETECTORS[name] for name in ONE_PASS}, options.detector, kind="detector")
    pack = load_pack(options.pack, device=options.device)
    judge = Judge(pack.reference, (options.detector,))
    if options.detector in judge.unavailable:
        raise InputError(judge.unavailable[options.detector], key="detector.unavailable", name=options.detector)
    known = judge.known_scores[options.detector]
    source = None if options.follow else open_source(options.images)

    def stream(skip):
        unread = []
        if options.follow:
            found = (decode_batch(items, pack.preprocessing) for items in _arriving(options, skip))
        else:
            found = batches(source, pack.preprocessing, size=options.batch_size, stop=options.limit)
        for batch in found:
            unread += batch.errors
            if batch.names:
                scores = judge.scores(pack.probe(batch.images, precision=options.precision))[options.detector]
                yield batch.names, conformal_p(known, scores).tolist(), tuple(unread)
                unread = []

    return stream, {"watch": _settings(options, keep, len(known)), "detector": options.detector, "pack": pack.name}


def _arriving(options, skip):
    """Yield lists of as many new pictures as a batch holds, for ever, or until as many as --limit have come."""
    arrivals, waiting, taken = Arrivals(options.images, skip=skip), [], 0
    while options.limit is None or taken < options.limit:
        waiting += arrivals.poll()
        while len(waiting) >= options.batch_size:
            yield waiting[: options.batch_size]
            waiting, taken = waiting[options.batch_size :], taken + options.batch_size
        time.sleep(POLL)


def _settings(options, keep, known):
    return asdict(replace(Settings(known), keep=keep, fdr=options.fdr, every=options.every))


def _held_out(name):
    from core.packs import load_pack

    return len(load_pack(name, device="cpu").reference.held_out_labels)
