"""What each command takes, by its name; nothing here runs one, and nothing heavy is imported."""

import argparse
from pathlib import Path

from core import VERSION
from core.adaptation import ADAPTATIONS, SETTINGS
from core.compression import FINETUNINGS, PRUNINGS
from core.corruptions import CORRUPTIONS
from core.detectors import DEFAULT, ONE_PASS
from core.explanation import DEFAULT as EXPLANATION
from core.explanation import EXPLANATIONS
from core.methods import TABLES
from core.networks import NETWORKS
from core.report import METHODS as REPORTED
from core.report import RISK, SHARE
from core.scoring import ENGINES
from core.training import METHODS
from core.words import LANGUAGES

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
COMMANDS = {}  # {name: (what it does, an example of its words, function that adds what it takes to a parser)}, in the order in which --help lists them


def parser(runs, *, about):
    """Return the parser of all commands; `run` of what it parses is the function of the command. Args: runs: {name: function of options}; about: a line."""
    whole = argparse.ArgumentParser(prog="python -m core", description=about, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    whole.add_argument("--version", action="version", version=f"blockscope {VERSION}")
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    for name, (help, example, add) in COMMANDS.items():
        sub = commands.add_parser(name, help=help, description=help, epilog=f"example: python -m core {name} {example}")
        sub.set_defaults(run=runs[name])
        sub.add_argument("--json", action="store_true", help="print one JSON document")
        add(sub)
    return whole


def command(help, example):
    """Make a function, which adds to a parser what the command of its name takes, a line of `COMMANDS`."""

    def keep(add):
        COMMANDS[add.__name__] = (help, example, add)
        return add

    return keep


def device(sub):
    sub.add_argument("--device", help="cuda, mps or cpu; by default the best there is")


def usual_pack(sub):
    sub.add_argument("--pack", default="cifar10", help="name or folder of a pack (default cifar10)")


def needed_pack(sub):
    sub.add_argument("--pack", required=True, help="name or folder of a pack")


def computing(sub, precisions="fp32 (default) or bf16"):
    device(sub)
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


def training_pictures(sub):
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


@command("list the packs that are there", "--json")
def packs(sub):
    pass


@command("say of each picture whether the network knows it", "cat.jpg --pack toybox")
def verdict(sub):
    computing(sub)
    sub.add_argument("pictures", nargs="+", metavar="PICTURE")
    usual_pack(sub)
    judging(sub)


@command("show where in a picture the evidence lies", "cat.jpg --pack toybox --method gradcam,rsp --out maps.png")
def explain(sub):
    device(sub)
    sub.add_argument("picture", metavar="PICTURE")
    usual_pack(sub)
    sub.add_argument("--method", default=EXPLANATION, help=f"names separated by commas, of {', '.join(EXPLANATIONS)}, or all (default {EXPLANATION})")
    sub.add_argument("--block", help="a block's name, or selected; by default the last, and the selected one for its norm")
    sub.add_argument("--target", metavar="CLASS", help="the class to explain; by default the predicted one")
    sub.add_argument("--out", metavar="FILE", help="a PNG of the picture and its maps: red for the class, blue against it")


@command(
    "prune and round a pack's network, and measure what its answers and its attribution maps lose",
    "--pack toybox --prune structured --amount 0.3 --finetune matching --images toybox:test --data toybox:train --out small",
)
def compress(sub):
    device(sub)
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


@command("write a report of one picture as a web page that prints", "cat.jpg --pack toybox --out report.html --lang ko")
def report(sub):
    device(sub)
    sub.add_argument("picture", metavar="PICTURE", help="a file, or SOURCE/INDEX such as toybox:test/3")
    usual_pack(sub)
    judging(sub)
    sub.add_argument("--risk", type=float, default=100 * RISK, help=f"percent of what the machine decides that may be wrong (default {100 * RISK:g})")
    sub.add_argument("--unknown-share", type=float, default=100 * SHARE, help=f"percent of unknown pictures that is assumed (default {100 * SHARE:g})")
    sub.add_argument("--method", default=",".join(REPORTED), help=f"names separated by commas, of {', '.join(EXPLANATIONS)} (default {','.join(REPORTED)})")
    sub.add_argument("--lang", choices=tuple(LANGUAGES), default="en", help="of the report (default en)")
    sub.add_argument("--out", required=True, metavar="FILE", help="the .html file to write")


@command("find the smallest change that turns a picture's class or verdict", "cat.jpg --pack toybox --kind verdict --out near.png")
def counterfactual(sub):
    device(sub)
    sub.add_argument("picture", metavar="PICTURE")
    usual_pack(sub)
    sub.add_argument("--kind", choices=("class", "verdict"), default="class", help="what has to turn (default class)")
    sub.add_argument("--basis", choices=("low_frequency", "patches"), default="low_frequency", help="a smooth change (default), or cells of --other")
    sub.add_argument("--other", metavar="PICTURE", help="whose cells are taken; of another class, or of the other verdict")
    sub.add_argument("--target", metavar="CLASS", help="the class to turn to; by default the runner-up, with --other its class")
    sub.add_argument("--seed", type=int, default=0, help="of the search's first direction (default 0)")
    sub.add_argument("--out", metavar="FILE", help="a PNG of the changed picture, as the network sees it")
    judging(sub)


@command("measure NormRatio of every block and select one", "--pack cifar10 --images photos/")
def blocks(sub):
    network(sub, fitted=False)
    sub.add_argument("--images", required=True, metavar="SRC", help="a .parquet or .npz file, a folder, toybox:test, torchvision:CIFAR10/test")
    sub.add_argument("--limit", type=_count, help="how many pictures (default all)")
    sub.add_argument("--seed", type=int, default=0, help="of the puzzles (default 0)")
    sub.add_argument("--permutations", type=_count, default=1, help="puzzles a picture (default 1)")
    sub.add_argument("--mode", default="normalised", help="normalised (default) or as_released")
    sub.add_argument("--border", help="of the puzzles: zero as released (default), or crop; with --pack as the pack says")


@command("score many pictures into a Parquet file, a row a picture", "--pack cifar10 --images photos/ --out scores.parquet")
def score(sub):
    network(sub, precisions="fp32 (default), bf16, or auto: bf16, and fp32 for pictures near the threshold")
    sub.add_argument("--images", required=True, metavar="SRC")
    sub.add_argument("--limit", type=_count, help="how many pictures (default all)")
    sub.add_argument("--detectors", default="all", help="names separated by commas, or all")
    sub.add_argument("--batch-size", type=_count, default=256)
    sub.add_argument("--out", required=True, help="the Parquet file to write, or a folder of them, here or behind a URL, where the name has no .parquet")
    spread(sub)
    resume = argparse.BooleanOptionalAction
    sub.add_argument("--resume", action=resume, default=True, help="keep the shards that a stopped run has finished (default), or begin anew")
    judging(sub)


@command("measure means, covariance and a sample of features", "--pack toybox --images toybox:train --out f.safetensors")
def statistics(sub):
    computing(sub)
    needed_pack(sub)
    sub.add_argument("--images", required=True, metavar="SRC", help="known pictures; one without a label counts for the class that the network names")
    sub.add_argument("--limit", type=_count, help="how many pictures (default all)")
    sub.add_argument("--sample", type=_count, default=2000, help="pictures whose features are kept, drawn uniformly (default 2000)")
    sub.add_argument("--seed", type=int, default=0, help="of the sample (default 0)")
    sub.add_argument("--batch-size", type=_count, default=256)
    sub.add_argument("--out", required=True, metavar="FILE", help="the safetensors file to write, here or behind a URL")
    spread(sub)


@command("measure every detector and block on known and unknown pictures", "--pack toybox --ood near=toybox:near --id toybox:test")
def bench(sub):
    network(sub)
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


@command("say how calibrated a pack is, and what the machine may decide alone", "--pack cifar10 --risk 2")
def trust(sub):
    needed_pack(sub)
    sub.add_argument("--risk", type=float, default=1, help="percent of what the machine decides that may be wrong (default 1)")
    sub.add_argument("--unknown-share", type=float, default=0, help="percent of unknown pictures that is assumed; each that it decides is an error (default 0)")


@command("corrupt pictures into a Parquet file", "--images toybox:test --corruption fog --severity 3 --out fog.parquet")
def corrupt(sub):
    sub.add_argument("--images", required=True, metavar="SRC", help="each is corrupted at its own size")
    sub.add_argument("--corruption", required=True, help=f"one of {', '.join(CORRUPTIONS)}")
    sub.add_argument("--severity", required=True, type=int, help="1 to 5")
    sub.add_argument("--limit", type=_count, help="how many pictures (default all)")
    sub.add_argument("--seed", type=int, default=0, help="of what is drawn at random (default 0)")
    sub.add_argument("--out", required=True, metavar="FILE", help="the Parquet file to write: columns image, label, domain")


@command("list, show or export results that were kept", "list")
def runs(sub):
    sub.add_argument("action", choices=("list", "show", "export"))
    sub.add_argument("id", nargs="?", metavar="ID")
    sub.add_argument("--kind", help="list runs of one kind only, such as bench")
    sub.add_argument("--limit", type=_count, help="list so many, newest first (default 20)")
    sub.add_argument("--out", metavar="FILE", help="where export writes to (default run-ID.json)")
    sub.add_argument("--url", help="of the store; by default BLOCKSCOPE_RUNS, else a SQLite file of your own")


@command("train a network and build its pack", "--data toybox:train --val toybox:test --out my_pack")
def train(sub):
    computing(sub)
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
    training_pictures(sub)


@command("measure a pack's network anew, without training", "--pack my_pack --data toybox:train --val toybox:test")
def build(sub):
    computing(sub)
    sub.add_argument("--pack", required=True, help="name or folder of the pack")
    sub.add_argument("--out", metavar="PACK", help="folder of the new pack; by default the old one is replaced")
    training_pictures(sub)


@command("make a pack from your own weights, or check them first", "new --weights net.safetensors --images photos/ --out my_pack")
def pack(sub):
    computing(sub)
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


@command("let methods adapt to corrupted pictures, without labels", "--pack toybox --images toybox:test --corruptions fog --methods source,tent")
def adapt(sub):
    network(sub, fitted=False)
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


@command("select the blocks that DPLOT tunes alone and keep them with a pack", "--pack toybox --source toybox:train")
def select(sub):
    computing(sub)
    needed_pack(sub)
    sub.add_argument("--source", metavar="SRC", required=True, help="labelled pictures that the network was trained on")
    sub.add_argument("--source-limit", type=_count, default=1000, help="how many of them (default 1000)")
    sub.add_argument("--seed", type=int, default=0)


@command("watch a stream of pictures and raise an alarm when it drifts", "--pack cifar10 --images photos/ --follow --out history.jsonl")
def watch(sub):
    computing(sub)
    sub.add_argument("--pack", help="name or folder of the pack that judges")
    sub.add_argument("--images", required=True, metavar="SRC", help="pictures, or a .parquet file that score wrote")
    sub.add_argument("--batch-size", type=_count, default=100, help="pictures in a batch (default 100)")
    sub.add_argument("--limit", type=_count, help="how many pictures (default all)")
    sub.add_argument("--fdr", type=float, default=0.1, help="of the pictures flagged in a batch, the share that may be known (default 0.1)")
    sub.add_argument("--every", type=float, default=1000.0, help="false alarms come at most once in so many batches on average (default 1000)")
    sub.add_argument("--follow", action="store_true", help="SRC is a folder: take pictures as they arrive, until Ctrl-C")
    sub.add_argument("--out", metavar="FILE", help="history to append to, a JSON line a batch; where there is one, the watch goes on from it")
    judging(sub)


@command("answer verdicts over HTTP", "--pack cifar10 --port 8000")
def serve(sub):
    computing(sub)
    sub.add_argument("--pack", action="append", help="name or folder of a pack; repeat; the first is the default (default cifar10)")
    sub.add_argument("--host", default="127.0.0.1", help="address to listen at (default 127.0.0.1: this machine alone)")
    sub.add_argument("--port", type=int, default=8000, help="0 for any free one (default 8000)")
    sub.add_argument("--max-bytes", type=_count, default=16 * 2**20, help="of the pictures in one request (default 16 MiB)")
    sub.add_argument("--max-batch", type=_count, default=32, help="pictures in a forward pass (default 32)")
    sub.add_argument("--max-wait-ms", type=float, default=5, help="how long a picture waits for others to go with (default 5)")
    sub.add_argument("--max-waiting", type=_count, default=256, help="pictures on the way, for each pack; more are refused (default 256)")


@command("list every method with its parameters and where it is from", "detectors")
def methods(sub):
    sub.add_argument("table", nargs="?", metavar="TABLE", help=f"one of {', '.join(TABLES)} (default all)")
    sub.add_argument("--markdown", action="store_true", help="print docs/methods.md: what each method does, and its formula")


@command("download a picture set that is not part of this project", "CIFAR10")
def download(sub):
    sub.add_argument("name", help="CIFAR10")


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
