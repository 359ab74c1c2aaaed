"""What methods make of one stream: the tables of errors in README.md and docs/trust.md, as `python -m core adapt` prints them.

python -m benchmarks.adaptation_stream [RUN ...]; a minute for the toybox on one core, half an hour for CIFAR-10, most of it DPLOT's selection of blocks.
Expected: within a point of the authors' released code (DPLOT 1.5), to which tests/core/adaptation/test_reference.py holds each method.
"""

import contextlib
import io
import json
import sys

from benchmarks.measured import main, number
from core.adaptation import ADAPTATIONS
from core.cli import adapt, parse
from core.errors import InputError
from core.images.sources import data_folder

RUNS = {
    "toybox": {},
    "cifar10": {
        "command": "--arch cifar_resnet56 --weights DATA/checkpoints/akamaster_resnet56.safetensors --stream DATA/stream_corrupted.parquet "
        "--source DATA/cifar10_train.parquet --source-limit 1000 --warmup-batches 25 --seed 1",
        "methods": ("source", "bn", "tent", "eata", "sar", "roid", "dplot"),
    },
}
RELEASED = {"source": 53.58, "bn": 32.45, "tent": 31.8, "eata": 31.77, "sar": 32.4, "roid": 31.73, "dplot": 27.57}  # mean errors of the authors' code


def measure(
    *,
    command="--pack toybox --images toybox:test --corruptions gaussian_noise,fog,contrast --limit 1000 --source toybox:train --seed 0",
    methods=("source", "bn", "tent", "dplot"),
):
    """Run `python -m core adapt` on the CPU. Args: command: its options; DATA stands for the folder that BLOCKSCOPE_DATA names."""
    if "DATA" in command and data_folder() is None:
        raise InputError("CIFAR-10 and a checkpoint are not here.", key="source.missing")
    options = parse(["adapt", *command.replace("DATA", f"{data_folder()}").split(), "--methods", ",".join(methods), "--device", "cpu", "--json"])
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        adapt(options)
    return {"batch_size": options.batch_size, "severity": options.severity, "seed": options.seed, **json.loads(printed.getvalue())}


def tables(runs):
    """Return the README's line of errors, and of the toybox the errors and calibration errors domain by domain."""
    return {f"adaptation_{name}": list((_released if name == "cifar10" else _domains)(run["methods"])) for name, run in runs.items()}


def _released(methods):
    yield [f">{_title(name, 'as it is')}" for name in methods]
    yield [f"{number(row['mean'])} ({number(RELEASED[name])})" for name, row in methods.items()]


def _domains(methods):
    domains = list(next(iter(methods.values()))["errors"])
    yield ["method", *(f">{name.replace('_', ' ')}" for name in domains), ">mean error", ">mean ECE", ">ECE, whole stream"]
    for name, row in methods.items():
        each = (f"{row['errors'][one]:.1f} / {row['ece'][one]:.2f}" for one in domains)
        yield [_title(name, "the network as it is"), *each, number(row["mean"]), number(row["ece_mean"], 2), number(row["ece_stream"], 2)]


def _title(name, source):
    return source if name == "source" else ADAPTATIONS[name].title


if __name__ == "__main__":
    sys.exit(main(sys.modules[__name__]))
