"""The command line: python -m core COMMAND. With --json, stdout holds one JSON document and nothing else.

Exit codes: 0 all well; 1 some pictures could not be read; 2 bad input, with one line on stderr; 3 a watch raised an alarm.
"""

import argparse
import json
import logging
import sys
import time
from pathlib import Path

from core import VERSION, logs
from core.adaptation import ADAPTATIONS, SETTINGS
from core.compression import FINETUNINGS, PRUNINGS
from core.corruptions import CORRUPTIONS
from core.detectors import DEFAULT, ONE_PASS
from core.disk import write_whole
from core.errors import InputError
from core.explanation import DEFAULT as EXPLANATION
from core.explanation import EXPLANATIONS
from core.methods import TABLES
from core.networks import NETWORKS
from core.packs import list_packs
from core.report import METHODS as REPORTED
from core.report import RISK, SHARE
from core.scoring import ENGINES
from core.table import look_up
from core.training import METHODS
from core.words import LANGUAGES

log = logging.getLogger(__name__)

EXAMPLES = """examples:
  python -m core packs
  python -m core verdict cat.jpg page.png --json
  python -m core explain cat.jpg --method gradcam,rsp --out maps.png
  python -m core compress --pack toybox --prune magnitude --amount 0.7 --images toybox:test
  python -m core report cat.jpg --pack toybox --out report.html --lang ko
  python -m core counterfactual cat.jpg --pack toybox --kind verdict --out near.png
  python -m core blocks --pack toybox --images toybox:test --limit 500
  python -m core score --pack toybox --images photos/ --detectors consensus,energy --out scores.parquet
  python -m core statistics --pack toybox --images toybox:train --out statistics.safetensors
  python -m core bench --pack toybox --id toybox:test --ood near=toybox:near --ood noise=noise:uniform --blocks
  python -m core trust --pack cifar10 --risk 2 --unknown-share 5
  python -m core corrupt --images toybox:test --corruption fog --severity 3 --out fog.parquet
  python -m core train --data toybox:train --val toybox:test --arch cifar_resnet18 --width 16 --epochs 12 --out my_pack
  python -m core pack new --weights net.safetensors --images photos/ --out my_pack
  python -m core adapt --pack toybox --images toybox:test --corruptions fog,contrast --methods source,bn,tent --limit 1000
  python -m core watch --pack cifar10 --images photos/ --follow --out history.jsonl
  python -m core serve --pack cifar10 --port 8000
  python -m core methods detectors
"""


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
    options = _parser().parse_args(arguments)
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


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m core", description=__doc__.split("\n")[0], epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"blockscope {VERSION}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(run, help, example):
        sub = commands.add_parser(run.__name__, help=help, description=help, epilog=f"example: python -m core {run.__name__} {example}")
        sub.set_defaults(run=run)
        sub.add_argument("--json", action="store_true", help="print one JSON document")
        return sub

    def computing(sub, precisions="fp32 (default) or bf16"):
        sub.add_argument("--device", help="cuda, mps or cpu; by default the best there is")
        sub.add_argument("--precision", default="fp32", help=precisions)
        return sub

    def network(sub, *, fitted=True, **options):
        sub.add_argument("--pack", help="name or folder of a pack")
        sub.add_argument("--arch", help=f"an architecture: {', '.join(NETWORKS)}, or a torchvision classifier")
        sub.add_argument("--weights", type=Path, help="safetensors, or .pt/.pth that holds tensors only")
        sub.add_argument("--width", type=int, help="channels of the first stage, for our own architectures")
        sub.add_argument("--size", type=int, default=32, help="input size in pixels (default 32)")
        sub.add_argument("--mean", type=_three, default=(0.485, 0.456, 0.406), help="of the preprocessing, as a,b,c")
        sub.add_argument("--std", type=_three, default=(0.229, 0.224, 0.225), help="of the preprocessing, as a,b,c")
        sub.add_argument("--jpeg", type=int, help="quality of a JPEG that every input goes through, 1 to 95")
        if fitted:
            sub.add_argument("--fit", metavar="SRC", help="known pictures to fit detectors on, with --arch; a pack has its own")
            sub.add_argument("--fit-limit", type=_count, default=4000, help="how many of them, half to fit on and half to calibrate (default 4000)")
        return computing(sub, **options)

    def pictures(sub):
        sub.add_argument("--data", required=True, metavar="SRC", help="labelled pictures to train on")
        sub.add_argument("--holdout", type=int, default=2000, help="how many of them, from the first, are kept from training for thresholds (default 2000)")
        sub.add_argument("--val", required=True, metavar="SRC", help="labelled pictures that the figures are measured on")
        sub.add_argument("--val-limit", type=_count, help="how many of them (default all)")
        sub.add_argument("--ood", action="append", default=[], metavar="NAME=SRC", help="unknown pictures, for histograms and figures; repeat")
        sub.add_argument("--ood-limit", type=_count, default=300, help="how many of each (default 300)")
        sub.add_argument("--bank", type=_count, default=2000, help="training pictures in the reference (default 2000)")
        sub.add_argument("--classes", help="class names separated by commas, where the source has none")
        sub.add_argument("--seed", type=int, default=0)
        sub.add_argument("--border", default="zero", help="of the puzzles that select the block: zero as released (default), or crop")

    def judging(sub):
        sub.add_argument("--detector", default=DEFAULT, help=f"who decides: {', '.join(ONE_PASS)} (default {DEFAULT})")
        sub.add_argument("--keep", type=float, default=95, help="percent of known pictures that the threshold keeps (default 95)")

    def spread(sub):
        sub.add_argument("--engine", default="local", help=f"what scores: {'; '.join(f'{name}: {e.title}' for name, e in ENGINES.items())} (default local)")
        sub.add_argument("--shard-size", type=_count, default=5000, help="pictures after which a stopped run can go on (default 5000)")
        sub.add_argument("--workers", type=int, help="local: processes that decode, 0 (default) for a thread; ray: processes that score")
        sub.add_argument("--ray-address", help="of a Ray cluster; by default one is started on this machine")
        sub.add_argument("--gpus", type=float, help="ray: GPUs for each process, such as 0.5")

    command(packs, "list the packs that are there", "--json")

    sub = computing(command(verdict, "say of each picture whether the network knows it", "cat.jpg --pack toybox"))
    sub.add_argument("pictures", nargs="+", metavar="PICTURE")
    sub.add_argument("--pack", default="cifar10", help="name or folder of a pack (default cifar10)")
    judging(sub)

    sub = command(explain, "show where in a picture the evidence lies", "cat.jpg --pack toybox --method gradcam,rsp --out maps.png")
    sub.add_argument("--device", help="cuda, mps or cpu; by default the best there is")
    sub.add_argument("picture", metavar="PICTURE")
    sub.add_argument("--pack", default="cifar10", help="name or folder of a pack (default cifar10)")
    sub.add_argument("--method", default=EXPLANATION, help=f"names separated by commas, of {', '.join(EXPLANATIONS)}, or all (default {EXPLANATION})")
    sub.add_argument("--block", help="a block's name, or selected; by default the last, and the selected one for its norm")
    sub.add_argument("--target", metavar="CLASS", help="the class to explain; by default the predicted one")
    sub.add_argument("--out", metavar="FILE", help="a PNG of the picture and its maps: red for the class, blue against it")

    told = "prune and round a pack's network, and measure what its answers and its attribution maps lose"
    sub = command(compress, told, "--pack toybox --prune structured --amount 0.3 --finetune matching --images toybox:test --data toybox:train --out small")
    sub.add_argument("--device", help="cuda, mps or cpu; by default the best there is")
    sub.add_argument("--pack", required=True, help="name or folder of a pack; it stays as it is")
    sub.add_argument("--prune", choices=PRUNINGS, help="magnitude: zero the smallest of all weights; structured: zero the weakest output channels")
    sub.add_argument("--amount", type=float, default=0.5, help="share of the weights, or of each layer's channels, that is pruned (default 0.5)")
    sub.add_argument("--int8", action="store_true", help="round weights and what layers read to 8 bits, simulated; after pruning and fine-tuning")
    sub.add_argument("--finetune", choices=FINETUNINGS, default="none", help="; ".join(f"{name}: {what}" for name, what in FINETUNINGS.items()))
    sub.add_argument("--steps", type=_count, default=200, help="of fine-tuning, 64 pictures each (default 200)")
    sub.add_argument("--images", required=True, metavar="SRC", help="pictures that are measured; of toybox:test the true masks are known")
    sub.add_argument("--limit", type=_count, default=100, help="how many of them (default 100)")
    sub.add_argument("--method", default=EXPLANATION, help=f"of the maps: names separated by commas, of {', '.join(EXPLANATIONS)} (default {EXPLANATION})")
    sub.add_argument("--data", metavar="SRC", help="labelled training pictures, for --int8, --finetune and a pack")
    sub.add_argument("--data-limit", type=_count, default=4000, help="how many of them (default 4000)")
    sub.add_argument("--holdout", type=int, default=2000, help="how many of them, from the first, are kept for the thresholds of a pack (default 2000)")
    sub.add_argument("--seed", type=int, default=0, help="of fine-tuning and puzzles (default 0)")
    sub.add_argument("--out", metavar="PACK", help="folder of a pack to make of the small network, or a .safetensors file for its weights alone")

    sub = command(report, "write a report of one picture as a web page that prints", "cat.jpg --pack toybox --out report.html --lang ko")
    sub.add_argument("--device", help="cuda, mps or cpu; by default the best there is")
    sub.add_argument("picture", metavar="PICTURE", help="a file, or SOURCE/INDEX such as toybox:test/3")
    sub.add_argument("--pack", default="cifar10", help="name or folder of a pack (default cifar10)")
    judging(sub)
    sub.add_argument("--risk", type=float, default=100 * RISK, help=f"percent of what the machine decides that may be wrong (default {100 * RISK:g})")
    sub.add_argument("--unknown-share", type=float, default=100 * SHARE, help=f"percent of unknown pictures that is assumed (default {100 * SHARE:g})")
    sub.add_argument("--method", default=",".join(REPORTED), help=f"names separated by commas, of {', '.join(EXPLANATIONS)} (default {','.join(REPORTED)})")
    sub.add_argument("--lang", choices=tuple(LANGUAGES), default="en", help="of the report (default en)")
    sub.add_argument("--out", required=True, metavar="FILE", help="the .html file to write")

    sub = command(counterfactual, "find the smallest change that turns a picture's class or verdict", "cat.jpg --pack toybox --kind verdict --out near.png")
    sub.add_argument("--device", help="cuda, mps or cpu; by default the best there is")
    sub.add_argument("picture", metavar="PICTURE")
    sub.add_argument("--pack", default="cifar10", help="name or folder of a pack (default cifar10)")
    sub.add_argument("--kind", choices=("class", "verdict"), default="class", help="what has to turn (default class)")
    sub.add_argument("--basis", choices=("low_frequency", "patches"), default="low_frequency", help="a smooth change (default), or cells of --other")
    sub.add_argument("--other", metavar="PICTURE", help="whose cells are taken; of another class, or of the other verdict")
    sub.add_argument("--target", metavar="CLASS", help="the class to turn to; by default the runner-up, with --other its class")
    sub.add_argument("--seed", type=int, default=0, help="of the search's first direction (default 0)")
    sub.add_argument("--out", metavar="FILE", help="a PNG of the changed picture, as the network sees it")
    judging(sub)

    sub = network(command(blocks, "measure NormRatio of every block and select one", "--pack cifar10 --images photos/"), fitted=False)
    sub.add_argument("--images", required=True, metavar="SRC", help="a .parquet or .npz file, a folder, toybox:test, torchvision:CIFAR10/test")
    sub.add_argument("--limit", type=_count, help="how many pictures (default all)")
    sub.add_argument("--seed", type=int, default=0, help="of the puzzles (default 0)")
    sub.add_argument("--permutations", type=_count, default=1, help="puzzles a picture (default 1)")
    sub.add_argument("--mode", default="normalised", help="normalised (default) or as_released")
    sub.add_argument("--border", help="of the puzzles: zero as released (default), or crop; with --pack as the pack says")

    doubtful = "fp32 (default), bf16, or auto: bf16, and fp32 for pictures near the threshold"
    sub = command(score, "score many pictures into a Parquet file, a row a picture", "--pack cifar10 --images photos/ --out scores.parquet")
    sub = network(sub, precisions=doubtful)
    sub.add_argument("--images", required=True, metavar="SRC")
    sub.add_argument("--limit", type=_count, help="how many pictures (default all)")
    sub.add_argument("--detectors", default="all", help="names separated by commas, or all")
    sub.add_argument("--batch-size", type=_count, default=256)
    sub.add_argument("--out", required=True, help="the Parquet file to write, or a folder of them, here or behind a URL, where the name has no .parquet")
    spread(sub)
    resume = argparse.BooleanOptionalAction
    sub.add_argument("--resume", action=resume, default=True, help="keep the shards that a stopped run has finished (default), or begin anew")
    judging(sub)

    sub = computing(command(statistics, "measure means, covariance and a sample of features", "--pack toybox --images toybox:train --out f.safetensors"))
    sub.add_argument("--pack", required=True, help="name or folder of a pack")
    sub.add_argument("--images", required=True, metavar="SRC", help="known pictures; one without a label counts for the class that the network names")
    sub.add_argument("--limit", type=_count, help="how many pictures (default all)")
    sub.add_argument("--sample", type=_count, default=2000, help="pictures whose features are kept, drawn uniformly (default 2000)")
    sub.add_argument("--seed", type=int, default=0, help="of the sample (default 0)")
    sub.add_argument("--batch-size", type=_count, default=256)
    sub.add_argument("--out", required=True, metavar="FILE", help="the safetensors file to write, here or behind a URL")
    spread(sub)

    sub = network(command(bench, "measure every detector and block on known and unknown pictures", "--pack toybox --ood near=toybox:near --id toybox:test"))
    sub.add_argument("--id", metavar="SRC", help="labelled known pictures; with a pack by default the numbers of its held-out ones")
    sub.add_argument(
        "--ood", action="append", default=[], metavar="NAME=SRC", help="unknown pictures, jigsaw for puzzles of --id; repeat; with a pack by default its own"
    )
    sub.add_argument("--limit", type=_count, help="how many pictures of each source (default all)")
    sub.add_argument("--detectors", default="all", help="names separated by commas, or all")
    sub.add_argument("--convention", default="id_positive", help="what FPR@95TPR counts: id_positive (default), ood_positive or odin_grid")
    sub.add_argument("--blocks", action="store_true", help="every block's FeatureNorm on every set too")
    sub.add_argument("--resamples", type=int, default=500, help="of the bootstrap intervals of FPR@95TPR; 0 for no intervals (default 500)")
    sub.add_argument("--seed", type=int, default=0, help="of puzzles and bootstrap (default 0)")
    sub.add_argument("--no-save", action="store_true", help="do not keep the result in the run store")

    sub = command(trust, "say how calibrated a pack is, and what the machine may decide alone", "--pack cifar10 --risk 2")
    sub.add_argument("--pack", required=True, help="name or folder of a pack")
    sub.add_argument("--risk", type=float, default=1, help="percent of what the machine decides that may be wrong (default 1)")
    sub.add_argument("--unknown-share", type=float, default=0, help="percent of unknown pictures that is assumed; each that it decides is an error (default 0)")

    sub = command(corrupt, "corrupt pictures into a Parquet file", "--images toybox:test --corruption fog --severity 3 --out fog.parquet")
    sub.add_argument("--images", required=True, metavar="SRC", help="each is corrupted at its own size")
    sub.add_argument("--corruption", required=True, help=f"one of {', '.join(CORRUPTIONS)}")
    sub.add_argument("--severity", required=True, type=int, help="1 to 5")
    sub.add_argument("--limit", type=_count, help="how many pictures (default all)")
    sub.add_argument("--seed", type=int, default=0, help="of what is drawn at random (default 0)")
    sub.add_argument("--out", required=True, metavar="FILE", help="the Parquet file to write: columns image, label, domain")

    sub = command(runs, "list, show or export results that were kept", "list")
    sub.add_argument("action", choices=("list", "show", "export"))
    sub.add_argument("id", nargs="?", metavar="ID")
    sub.add_argument("--kind", help="list runs of one kind only, such as bench")
    sub.add_argument("--limit", type=_count, help="list so many, newest first (default 20)")
    sub.add_argument("--out", metavar="FILE", help="where export writes to (default run-ID.json)")
    sub.add_argument("--url", help="of the store; by default BLOCKSCOPE_RUNS, else a SQLite file of your own")

    sub = computing(command(train, "train a network and build its pack", "--data toybox:train --val toybox:test --out my_pack"))
    sub.add_argument("--method", default="standard", help=f"one of {', '.join(METHODS)}")
    sub.add_argument("--arch", default="cifar_resnet18")
    sub.add_argument("--width", type=int, default=32)
    sub.add_argument("--epochs", type=_count, default=24)
    sub.add_argument("--batch-size", type=_count, default=256)
    sub.add_argument("--peak", type=float, default=0.3, help="the highest learning rate of the schedule (default 0.3)")
    sub.add_argument("--limit", type=_count, help="train on so many pictures (default all that --holdout leaves)")
    sub.add_argument("--alpha", type=float, help="of the Beta distribution that blends pictures; by default the method's own")
    sub.add_argument("--eps", type=float, help="of the attack, as a fraction of a pixel's range; by default the method's own")
    sub.add_argument("--reading", choices=("blend", "two-term"), help="of Adversarial-Mixup's loss (default blend)")
    sub.add_argument("--ema", type=float, default=0.0, help="what the moving average of the weights keeps in each step, such as 0.99; 0 for none (default)")
    sub.add_argument("--size", type=int, default=32)
    sub.add_argument("--mean", type=_three, default=(0.4914, 0.4822, 0.4465))
    sub.add_argument("--std", type=_three, default=(0.247, 0.2435, 0.2616))
    sub.add_argument("--jpeg", type=int, help="quality of the JPEG that every input goes through; see core/images/preprocess.py")
    resume = argparse.BooleanOptionalAction
    sub.add_argument("--resume", action=resume, default=True, help="go on after the last epoch of a run that was cut off (default), or begin anew")
    sub.add_argument("--out", required=True, metavar="PACK", help="folder of the pack")
    pictures(sub)

    sub = computing(command(build, "measure a pack's network anew, without training", "--pack my_pack --data toybox:train --val toybox:test"))
    sub.add_argument("--pack", required=True, help="name or folder of the pack")
    sub.add_argument("--out", metavar="PACK", help="folder of the new pack; by default the old one is replaced")
    pictures(sub)

    sub = computing(command(pack, "make a pack from your own weights, or check them first", "new --weights net.safetensors --images photos/ --out my_pack"))
    sub.add_argument("action", choices=("new", "check"))
    sub.add_argument("--weights", required=True, metavar="FILE", help="safetensors, .pt/.pth with tensors only, .pt2, or torchvision for its published ones")
    sub.add_argument("--arch", help="guessed from the weights where it is not given; any of torchvision's or ours, or timm:NAME")
    sub.add_argument("--width", type=int, help="of our own architectures; by default read off the weights")
    sub.add_argument("--option", action="append", default=[], metavar="NAME=NUMBER", help="a setting of the architecture, such as stem_padding=2; repeat")
    sub.add_argument("--size", type=int, help="input size in pixels; by default, as all that follows, what is usual for the architecture")
    sub.add_argument("--resize", type=int, help="what the short side is scaled to before the centre of --size is cut out")
    sub.add_argument("--mean", type=_three, help="of the preprocessing, as a,b,c")
    sub.add_argument("--std", type=_three, help="of the preprocessing, as a,b,c")
    sub.add_argument("--jpeg", type=int, help="quality of a JPEG that every input goes through, 1 to 95 (default none)")
    names = sub.add_mutually_exclusive_group()
    names.add_argument("--classes", help="class names separated by commas")
    names.add_argument("--classes-file", metavar="FILE", help="class names, one a line")
    sub.add_argument("--images", required=True, metavar="SRC", help="known pictures; without --val, ones that training never saw")
    sub.add_argument("--val", metavar="SRC", help="known pictures that training never saw, for thresholds and figures; --images may then be training pictures")
    sub.add_argument("--ood", action="append", default=[], metavar="NAME=SRC", help="unknown pictures, for histograms and figures; by default drawn ones")
    sub.add_argument("--limit", type=_count, help="how many known pictures (default 5000, fewer for large inputs)")
    sub.add_argument("--seed", type=int, default=0, help="of the draw and of the puzzles (default 0)")
    sub.add_argument("--border", default="zero", help="of the puzzles that select the block: zero as released (default), or crop")
    sub.add_argument("--title", help="what the model is called on screen")
    sub.add_argument("--anyway", action="store_true", help="go on where the accuracy says that preprocessing or labels are wrong")
    sub.add_argument("--out", metavar="PACK", help="folder of the pack")

    sub = network(
        command(adapt, "let methods adapt to corrupted pictures, without labels", "--pack toybox --images toybox:test --corruptions fog --methods source,tent"),
        fitted=False,
    )
    sub.add_argument("--stream", metavar="SRC", help="a ready-made stream, in its order: a .parquet file with the columns image, label and domain")
    sub.add_argument("--images", metavar="SRC", help="labelled pictures to corrupt, instead of --stream")
    sub.add_argument("--corruptions", default="all", help="names separated by commas, clean for none, or all for the 15 published ones (default)")
    sub.add_argument("--severity", type=int, default=5, help="1 to 5 (default 5)")
    sub.add_argument("--setting", default="continual", help=f"{'; '.join(f'{name}: {what}' for name, what in SETTINGS.items())} (default continual)")
    sub.add_argument("--limit", type=_count, help="how many pictures of the stream, or of --images (default all)")
    sub.add_argument("--ood", metavar="SRC", help="unknown pictures that are mixed into the stream of --images")
    sub.add_argument("--ood-share", type=float, default=0.2, help="of each batch, with --ood (default 0.2)")
    sub.add_argument("--methods", default="source,bn,tent", help=f"names separated by commas, of {', '.join(ADAPTATIONS)} (default source,bn,tent)")
    sub.add_argument("--source", metavar="SRC", help="labelled pictures that the network was trained on, for methods that need some")
    sub.add_argument("--source-limit", type=_count, default=1000, help="how many of them (default 1000)")
    sub.add_argument("--warmup-batches", type=_count, help="of DPLOT and RMT on source pictures; by default the method's own")
    sub.add_argument("--batch-size", type=_count, default=200)
    sub.add_argument("--seed", type=int, default=0, help="of the stream and of the methods (default 0)")
    sub.add_argument("--reselect", action="store_true", help="select DPLOT's blocks anew even where the pack has a selection")

    sub = computing(command(select, "select the blocks that DPLOT tunes alone and keep them with a pack", "--pack toybox --source toybox:train"))
    sub.add_argument("--pack", required=True, help="name or folder of a pack")
    sub.add_argument("--source", metavar="SRC", required=True, help="labelled pictures that the network was trained on")
    sub.add_argument("--source-limit", type=_count, default=1000, help="how many of them (default 1000)")
    sub.add_argument("--seed", type=int, default=0)

    sub = computing(
        command(watch, "watch a stream of pictures and raise an alarm when it drifts", "--pack cifar10 --images photos/ --follow --out history.jsonl")
    )
    sub.add_argument("--pack", help="name or folder of the pack that judges")
    sub.add_argument("--images", required=True, metavar="SRC", help="pictures, or a .parquet file that score wrote")
    sub.add_argument("--batch-size", type=_count, default=100, help="pictures in a batch (default 100)")
    sub.add_argument("--limit", type=_count, help="how many pictures (default all)")
    sub.add_argument("--fdr", type=float, default=0.1, help="of the pictures flagged in a batch, the share that may be known (default 0.1)")
    sub.add_argument("--every", type=float, default=1000.0, help="false alarms come at most once in so many batches on average (default 1000)")
    sub.add_argument("--follow", action="store_true", help="SRC is a folder: take pictures as they arrive, until Ctrl-C")
    sub.add_argument("--out", metavar="FILE", help="history to append to, a JSON line a batch; where there is one, the watch goes on from it")
    judging(sub)

    sub = computing(command(serve, "answer verdicts over HTTP", "--pack cifar10 --port 8000"))
    sub.add_argument("--pack", action="append", help="name or folder of a pack; repeat; the first is the default (default cifar10)")
    sub.add_argument("--host", default="127.0.0.1", help="address to listen at (default 127.0.0.1: this machine alone)")
    sub.add_argument("--port", type=int, default=8000, help="0 for any free one (default 8000)")
    sub.add_argument("--max-bytes", type=_count, default=16 * 2**20, help="of the pictures in one request (default 16 MiB)")
    sub.add_argument("--max-batch", type=_count, default=32, help="pictures in a forward pass (default 32)")
    sub.add_argument("--max-wait-ms", type=float, default=5, help="how long a picture waits for others to go with (default 5)")
    sub.add_argument("--max-waiting", type=_count, default=256, help="pictures on the way, for each pack; more are refused (default 256)")

    sub = command(methods, "list every method with its parameters and where it is from", "detectors")
    sub.add_argument("table", nargs="?", metavar="TABLE", help=f"one of {', '.join(TABLES)} (default all)")
    sub.add_argument("--markdown", action="store_true", help="print docs/methods.md: what each method does, and its formula")

    sub = command(download, "download a picture set that is not part of this project", "CIFAR10")
    sub.add_argument("name", help="CIFAR10")
    return parser


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


def _three(text):
    try:
        values = tuple(float(x) for x in text.split(","))
    except ValueError:
        values = ()
    if len(values) != 3:
        raise argparse.ArgumentTypeError(f"{text!r} is not three numbers separated by commas")
    return values


def _count(text):
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


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
