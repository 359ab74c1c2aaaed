"""The command line: python -m core COMMAND. With --json, stdout holds one JSON document and nothing else.

Exit codes: 0 all well; 1 some pictures could not be read; 2 bad input, with one line on stderr; 3 a watch raised an alarm.
"""

import json
import logging
import sys
import time
from pathlib import Path

from core import logs
from core.arguments import parser
from core.disk import write_whole
from core.errors import InputError
from core.methods import TABLES
from core.packs import list_packs
from core.table import look_up

log = logging.getLogger(__name__)


def main(arguments=None):
    """Run one command. Returns: the exit code."""
    options, began, code, key = parse(arguments), time.monotonic(), None, {}
    try:
        logs.set_up()
        code = options.run(options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        code, key = 2, {"key": error.key}
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        code = 130
    finally:
        seconds = round(time.monotonic() - began, 3)
        log.info("command ended", extra={"command": options.run.__name__, "status": code, "seconds": seconds, **key})
    return code


def parse(arguments=None):
    """Return the options of a command, by default of the one that runs; they know their words as `arguments`."""
    options = parser(globals(), about=__doc__.split("\n")[0]).parse_args(arguments)  # a command is the function of its name here
    options.arguments = arguments
    return options


def packs(options):
    rows = [p.summary for p in list_packs().values()]
    told = ["-" if r["accuracy"] is None else f"{r['accuracy']:.2f} %" for r in rows]
    lines = [(r["name"], r["arch"], r["training"], a, r["selected_block"], f"{r['bytes'] / 1e6:.1f} MB") for r, a in zip(rows, told, strict=True)]
    _show(options, rows, lines)
    return 0


def verdict(options):
    from core.images.preprocess import stack
    from core.images.sources import Item
    from core.packs import load_pack
    from core.verdict import as_row

    pack = load_pack(options.pack, device=options.device)
    keep, rows = _keep(options.keep), []
    for file in options.pictures:
        try:
            picture = Item(str(file), Path(file)).open(near=pack.preprocessing.size)
            measured = pack.probe(stack([pack.preprocessing.see(picture)]), precision=options.precision)
            rows.append(as_row(pack.judge.judge(measured, pack.classes, detector=options.detector, keep=keep)[0], file))
        except InputError as error:
            if error.key == "unknown" or error.key == "detector.unavailable":  # not the picture's fault
                raise
            rows.append({"file": str(file), "error": str(error)})
    _show(options, rows, [_verdict_line(row) for row in rows])
    return 1 if any(row["error"] for row in rows) else 0


def explain(options):
    from core.explanation.command import explain_picture, line

    document = explain_picture(options)
    heads = ("method", "highest at x,y", "deletion, lower is better", "insertion, higher is better", "positive", "time")
    _show(options, document, [(document["file"], document["class"]), heads, *(line(row) for row in document["methods"])])
    return 0


def compress(options):
    from core.compression.command import compress_pack, lines

    document = compress_pack(options, progress=_progress, log=lambda line: print(line, file=sys.stderr))
    _show(options, document, lines(document))
    return 0


def counterfactual(options):
    from core.explanation.counterfactual_command import lines, turn_picture

    document = turn_picture(options, keep=_keep(options.keep), progress=_progress("searching"))
    _show(options, document, lines(document))
    return 0


def report(options):
    from core.report.command import report_picture

    document = report_picture(options, keep=_keep(options.keep))
    _show(options, document, [(sentence["text"],) for sentence in document["sentences"]] + [(f"the report is in {document['out']}",)])
    return 0


def blocks(options):
    from core.device import pick_device
    from core.images.sources import open_source, read
    from core.probe import probe_all
    from core.selection import select_block

    device = pick_device(options.device)
    network, preprocessing, pack = _network(options, device)
    batch = read(open_source(options.images), preprocessing, stop=options.limit, progress=_progress("reading"))
    _need_pictures(batch, options.images)
    known = probe_all(network, batch.images, preprocessing, device=device, precision=options.precision, progress=_progress("measuring"))
    labelled = batch.labels >= 0
    right = (known.logits.argmax(1) == batch.labels)[labelled].double()
    selection = select_block(
        network,
        batch.images,
        preprocessing,
        mode=options.mode,
        border=options.border or (pack.selection.border if pack else "zero"),
        permutations=options.permutations,
        seed=options.seed,
        known=known,
        device=device,
        precision=options.precision,
        progress=_progress("puzzles"),
    )
    columns = zip(selection.blocks, selection.norm_id, selection.norm_jigsaw, selection.norm_ratio, strict=True)
    document = {
        "blocks": [dict(zip(("name", "norm_id", "norm_jigsaw", "norm_ratio"), row, strict=True)) for row in columns],
        "selected": selection.selected,
        "accuracy": round(100 * right.mean().item(), 3) if len(right) else None,
        "images": selection.images,
        "mode": selection.mode,
        "border": selection.border,
    }
    lines = [(b["name"], *(f"{b[k]:.4f}" for k in ("norm_id", "norm_jigsaw", "norm_ratio"))) for b in document["blocks"]]
    lines = [(*line, "<- selected" if line[0] == selection.selected else "") for line in lines]
    accuracy = "unknown (no labels)" if document["accuracy"] is None else f"{document['accuracy']} %"
    _show(options, document, [(f"ID accuracy {accuracy}, {selection.images} pictures, NormRatio {selection.mode}",), *lines])
    return 0


def score(options):
    from core.device import pick_device
    from core.scoring.command import score_pictures

    device, keep = pick_device(options.device), _keep(options.keep)
    network, preprocessing, pack = _network(options, device)
    reference = pack.reference if pack else _fitted_on(options, network, preprocessing, device)[0]
    classes = pack.classes if pack else None
    document = score_pictures(options, network, preprocessing, reference, classes, keep=keep, device=device, progress=_progress("scoring"))
    _show(options, document, [("{pictures} pictures scored into {out}: {id} ID, {ood} OOD, {errors} unreadable".format(**document),)])
    return 1 if document["errors"] else 0


def statistics(options):
    from core.device import pick_device
    from core.packs import load_pack
    from core.scoring.command import gather_statistics

    device = pick_device(options.device)
    document = gather_statistics(options, load_pack(options.pack, device=device), device=device, progress=_progress("measuring"))
    apart = [(name, f"means {d['means']:.4f}", f"covariance {d['covariance']:.4f}") for name, d in document["bank"].items()]
    _show(options, document, [("{pictures} pictures measured into {out}; how far the pack's bank is from them:".format(**document),), *apart])
    return 1 if document["errors"] else 0


def bench(options):
    import torch

    from core.detectors import DETECTORS, TWO_PASSES
    from core.detectors.odin import perturbation
    from core.device import pick_device
    from core.evaluation import document, evaluate, figures
    from core.images.sources import named_sources, open_source, read
    from core.jigsaw import jigsaw
    from core.metrics import CONVENTIONS
    from core.probe import probe_all
    from core.verdict import Judge

    began = time.perf_counter()
    look_up(CONVENTIONS, options.convention, kind="convention")
    names = list(DETECTORS) if options.detectors == "all" else options.detectors.split(",")
    device, sources = pick_device(options.device), named_sources(options.ood)
    network, preprocessing, pack = _network(options, device)
    if not (pack or (options.id and sources)):
        raise InputError("A network without a pack needs --id SRC and at least one --ood NAME=SRC.", key="cli.bench")
    if options.ood and not options.id and "jigsaw" in sources.values():
        raise InputError("Puzzles are cut from the pictures of --id SRC; add it.", key="cli.bench")
    two_passes = any(name in TWO_PASSES for name in names)
    reference, selection = (pack.reference, pack.selection) if pack else _fitted_on(options, network, preprocessing, device, two_passes=two_passes)
    judge = Judge(reference, tuple(dict.fromkeys(names)))

    def measured(images, what):
        options_of_pass = {"means": (reference.middle,), "perturb": perturbation(preprocessing) if two_passes else None, "precision": options.precision}
        return probe_all(network, images, preprocessing, device=device, progress=_progress(f"measuring {what}"), **options_of_pass)

    known, labels, unknown = None, None, {} if sources else dict(reference.unknown)
    if options.id:
        batch = read(open_source(options.id), preprocessing, stop=options.limit, progress=_progress("reading"))
        _need_pictures(batch, options.id)
        known, labels = measured(batch.images, "known pictures"), batch.labels
    for name, spec in sources.items():
        if spec == "jigsaw":
            images = jigsaw(batch.images, generator=torch.Generator().manual_seed(options.seed), border=selection.border)
        else:
            found = read(open_source(spec), preprocessing, stop=options.limit)
            _need_pictures(found, spec)
            images = found.images
        unknown[name] = measured(images, name)
    evaluation = evaluate(judge, unknown, known=known, labels=labels, by_permutation=selection.by_permutation)
    table = figures(evaluation, convention=options.convention, resamples=options.resamples, seed=options.seed)
    whole = document(evaluation, table, convention=options.convention, blocks=options.blocks)
    result = {**whole, "seconds": round(time.perf_counter() - began, 2)}
    if not options.no_save:
        result["run"] = _keep_run(options, result, evaluation, pack, device)
    if evaluation.doubtful:
        print("warning: the accuracy is near guessing: preprocessing or labels are probably wrong, so no number below means much.", file=sys.stderr)
    _show(options, result, _bench_lines(result))
    return 0


def trust(options):
    from core.packs import load_pack
    from core.trust import Trust, document

    pack = load_pack(options.pack, device="cpu")
    told = {"pack": pack.name, **document(Trust(pack.reference), risk=options.risk / 100, share=options.unknown_share / 100)}
    lines: list[tuple] = [(f"ID accuracy {told['accuracy']} %; temperature {told['temperature']:.3f} fitted on {told['pictures']['fit']} held-out pictures",)]
    lines += [
        ("ECE in points", name, f"{of['ece_width']:.2f} equally wide bins", f"{of['ece_mass']:.2f} equally full") for name, of in told["calibration"].items()
    ]
    for name, of in told["hand_off"].items():
        seen = f"risk {of['risk']:.2f} %, bound {of['bound']:.2f} %" if of["found"] and of["risk"] is not None else "no threshold keeps the promise"
        lines.append((f"at {options.risk:g} % risk", name, f"the machine decides {of['coverage']:.1f} %", seen))
    _show(options, told, lines)
    return 0


def corrupt(options):
    from core.corruptions.files import write
    from core.images.sources import open_source

    source, progress = open_source(options.images), _progress("corrupting")
    written, errors = write(source, options.corruption, options.severity, options.out, seed=options.seed, stop=options.limit, progress=progress)
    for name, sentence in errors:
        print(f"warning: {name} is left out: {sentence}", file=sys.stderr)
    document = {"out": options.out, "pictures": written, "errors": len(errors), "corruption": options.corruption, "severity": options.severity}
    line = f"{written} pictures under {options.corruption}, severity {options.severity}, in {options.out}; {len(errors)} unreadable"
    _show(options, document, [(line,)])
    return 1 if errors else 0


def build(options):
    from core.training.command import build_pack

    figures = build_pack(options, log=lambda line: print(line, file=sys.stderr))
    _show_figures(options, figures)
    return 0


def pack(options):
    from core.packs.command import check_or_make

    document = check_or_make(options, progress=_progress, log=lambda line: print(line, file=sys.stderr))
    told = document if options.action == "check" else {"out": document["out"], "arch": document["arch"], **document["figures"]}
    _show(options, document, [(f"{name}: {value}",) for name, value in told.items() if not isinstance(value, dict | list)])
    return 0


def runs(options):
    from core.runs import Store

    with Store(options.url) as store:
        if options.action == "list":
            found = [_run_line(run) for run in store.list(kind=options.kind, limit=options.limit or 20)]
            _show(options, found, [(r["id"], r["created"], r["kind"], r["title"]) for r in found])
        elif not options.id:
            raise InputError(f"Say which run: python -m core runs {options.action} ID; runs list names them.", key="cli.run")
        else:
            run = store.get(options.id)
            document = {**_run_line(run), "made_by": run.made_by, "result": run.result}
            if options.action == "export":
                out = Path(options.out or f"run-{run.id}.json")
                write_whole(out, (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode())
                _show(options, {"out": str(out)}, [(f"{run.id} is in {out}",)])
            else:
                lines = _bench_lines(run.result) if run.kind == "bench" else [(json.dumps(run.result),)]
                _show(options, document, [(run.id, run.title), *((k, str(v)) for k, v in run.made_by.items()), *lines])
    return 0


def train(options):
    from core.training.command import train_pack

    figures = train_pack(options, progress=_progress("training"), log=lambda line: print(line, file=sys.stderr))
    if figures is not None:
        _show_figures(options, figures)
    return 0


def adapt(options):
    from core.adaptation.command import adapt_methods
    from core.device import pick_device

    if options.precision != "fp32":
        raise InputError(f"Adaptation computes in fp32, not {options.precision}; leave --precision out.", key="adaptation.precision")
    network, preprocessing, _ = _network(options, pick_device(options.device))
    document = adapt_methods(options, network, preprocessing, progress=_progress, log=lambda line: print(line, file=sys.stderr))
    _show(options, document, _adapt_lines(document["methods"]))
    return 0


def select(options):
    from core.adaptation.command import select_for_pack

    selection, file = select_for_pack(options, progress=_progress)
    rows = [{"block": b, "similarity": s, "scaled": z, "selected": b in selection.selected} for b, s, z in _each(selection)]
    document = {"blocks": rows, "selected": list(selection.selected), "threshold": selection.threshold, "pictures": selection.pictures, "file": file.name}
    lines = [(b, f"{s:.6f}", f"{z:.4f}", "selected" if b in selection.selected else "") for b, s, z in _each(selection)]
    _show(options, document, [("block", "similarity", "scaled", ""), *lines, (f"kept in {file}",)])
    return 0


def watch(options):
    from core.watch.command import watch_pictures

    document = watch_pictures(options, keep=_keep(options.keep), tell=lambda line: None if options.json else print(line, flush=True))
    if options.json:
        _show(options, document, [])
    return 3 if document["alarms"] else 1 if document["errors"] else 0


def serve(options):
    from core.service.command import serve_packs

    def announce(address, names):
        _show(options, {"address": address, "packs": names}, [(f"serving {', '.join(names)} at {address}; what it answers: {address}/docs",)])
        sys.stdout.flush()

    serve_packs(options, announce=announce)
    return 0


def methods(options):
    from core.methods import lines, markdown, rows

    names = TABLES if options.table is None else (options.table,)
    for name in names:
        look_up(TABLES, name, kind="table")
    found = rows(names)
    _show(options, found, [(line,) for line in markdown(names).splitlines()] if options.markdown else lines(found))
    return 0


def download(options):
    from core.images.sources import download as fetch
    from core.images.sources import download_folder

    fetch(options.name)
    _show(options, {"name": options.name, "folder": str(download_folder())}, [(f"{options.name} is in {download_folder()}",)])
    return 0


def _network(options, device):
    """Return (network on the device, Preprocessing, the pack or None) of --pack, or of --arch and --weights."""
    from core.images.preprocess import Preprocessing
    from core.networks import build
    from core.packs import load_pack

    if options.pack:
        pack = load_pack(options.pack, device=device)
        return pack.network, pack.preprocessing, pack
    if not options.arch or not options.weights:
        raise InputError("Say which network: --pack P, or --arch A with --weights FILE.", key="cli.network")
    network = build.load(options.arch, options.weights, width=options.width)
    return network.to(device), Preprocessing(options.size, options.mean, options.std, options.jpeg), None


def _fitted_on(options, network, preprocessing, device, *, two_passes=False):
    """Return (Reference, Selection) of the known pictures of --fit: half of the first --fit-limit as bank, half held out."""
    from core.images.sources import open_source, read
    from core.packs.build import make_reference

    if not options.fit:
        raise InputError("Detectors of a network without a pack need known pictures: add --fit SRC.", key="cli.fit")
    source = open_source(options.fit)
    half = min(options.fit_limit, len(source)) // 2
    bank, held_out = read(source, preprocessing, stop=half), read(source, preprocessing, start=half, stop=2 * half)
    _need_pictures(bank, options.fit)
    return make_reference(network, preprocessing, bank, held_out, device=device, two_passes=two_passes)[:2]


def _keep_run(options, result, evaluation, pack, device):
    """Put a result into the run store. Returns: its id, or None, with a line on stderr, where the store cannot be reached."""
    from core.evaluation import keep_scores, run_title
    from core.provenance import provenance
    from core.runs import Store

    facts = {"seed": options.seed, "device": str(device), "convention": options.convention, "limit": options.limit}
    title = run_title(pack.name if pack else options.arch, evaluation)
    made_by = provenance(pack=options.pack if pack else None, **facts)
    try:
        with Store() as store:
            return store.add("bench", result, title=title, made_by=made_by, arrays=keep_scores(evaluation)).id
    except InputError as error:
        print(f"warning: the result is not kept: {error}", file=sys.stderr)
        return None


def _bench_lines(result):
    """Return lines for people: accuracy first, then detectors x sets, then blocks."""
    accuracy = "unknown (no labels)" if result["accuracy"] is None else f"{result['accuracy']} %"
    detectors = result["detectors"]
    sets = list(next(iter(detectors.values()), {}))
    lines = [(f"ID accuracy {accuracy}; AUROC / FPR@95TPR in %, {result['convention']}; selected block {result['selected']}",)]
    lines.append(("", *sets, "mean"))
    for name, row in detectors.items():
        mean = [sum(row[s][k] for s in sets) / len(sets) for k in ("auroc", "fpr95")]
        lines.append((name, *(f"{row[s]['auroc']:.1f}/{row[s]['fpr95']:.1f}" for s in sets), f"{mean[0]:.1f}/{mean[1]:.1f}"))
    lines += [(f"{name}: {sentence}",) for name, sentence in result["unavailable"].items()]
    if blocks := result.get("blocks"):
        lines.append(("FeatureNorm of each block, AUROC in %",))
        lines.append(("", *blocks["auroc"], "mean"))
        for k, block in enumerate(blocks["names"]):
            marks = " <- selected" * (block == blocks["selected"]) + " <- best" * (block == blocks["oracle"])
            lines.append((block, *(f"{values[k]:.1f}" for values in blocks["auroc"].values()), f"{blocks['mean'][k]:.1f}{marks}"))
    return lines


def _each(selection):
    return list(zip(selection.blocks, selection.similarity, selection.scaled, strict=True))


def _adapt_lines(methods):
    """Return lines for people: error and calibration error of each method on each domain, percent."""
    domains = list(dict.fromkeys(name for row in methods.values() for name in row["errors"]))
    lines = [("error in %", *domains, "mean", "set-up, s", "adapting, s")]
    for name, row in methods.items():
        mean = "unknown" if row["mean"] is None else f"{row['mean']:.2f}"
        lines.append((name, *(f"{row['errors'][d]:.2f}" for d in domains), mean, f"{row['seconds_setup']:.1f}", f"{row['seconds_adapt']:.1f}"))
    if domains:
        lines.append(("ECE in points", *domains, "mean", "whole stream"))
        for name, row in methods.items():
            lines.append((name, *(f"{row['ece'][d]:.2f}" for d in domains), f"{row['ece_mean']:.2f}", f"{row['ece_stream']:.2f}"))
    return lines + [(f"{name}: selected blocks {', '.join(row['selected_blocks'])}",) for name, row in methods.items() if row["selected_blocks"]]


def _run_line(run):
    return {"id": run.id, "created": run.created.isoformat(timespec="seconds"), "kind": run.kind, "title": run.title}


def _verdict_line(row):
    if row["error"]:
        return row["file"], "error", row["error"]
    says = f"{100 * row['p_value']:.1f} % of known pictures look this unfamiliar"
    return row["file"], row["verdict"], f"{row['class']} {100 * row['confidence']:.1f} %", says


def _keep(percent):
    if not 0 < percent < 100:
        raise InputError(f"--keep is {percent:g}; give a percentage between 0 and 100, such as 95.", key="threshold.keep", keep=percent)
    return percent / 100


def _need_pictures(batch, spec):
    if not batch.names:
        reason = f"; the first: {batch.errors[0][1]}" if batch.errors else ""
        raise InputError(f"No picture of {spec} can be read{reason}.", key="source.empty", spec=str(spec))


def _progress(what):
    """Return a callback that draws a bar on stderr where that is a terminal."""

    def draw(done, total, *_):
        if sys.stderr.isatty():
            print(f"\r{what} {done:,} of {total:,}", end="\n" if done >= total else "", file=sys.stderr, flush=True)

    return draw


def _show_figures(options, figures):
    """Print what a pack's `figures` say, without those of each set unless as JSON."""
    _show(options, figures, [(f"{name}: {value}",) for name, value in figures.items() if not isinstance(value, dict)])


def _show(options, document, lines):
    """Print the JSON document, or lines of cells in aligned columns."""
    if options.json:
        print(json.dumps(document, ensure_ascii=False, indent=1))
        return
    widths = {}
    for line in lines:
        for i, cell in enumerate(line[:-1]):
            widths[i] = max(widths.get(i, 0), len(str(cell)))
    for line in lines:
        print("  ".join(str(cell).ljust(widths.get(i, 0)) if i < len(line) - 1 else str(cell) for i, cell in enumerate(line)).rstrip())
