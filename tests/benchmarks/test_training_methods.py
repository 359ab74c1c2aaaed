"""The comparison of training methods from packs to report, on packs around untrained networks."""

import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tomlkit
import torch

from benchmarks import training_methods
from benchmarks.training_methods import find, main, report
from core.detectors import DETECTORS
from core.detectors.odin import perturbation
from core.evaluation import evaluate, figures
from core.images.preprocess import Preprocessing
from core.images.sources import open_source, read
from core.metrics import CONVENTIONS
from core.networks.build import create
from core.packs import load_pack
from core.packs.build import build
from core.probe import probe_all
from core.training.comparison import METRICS, improvement, read_comparison
from core.verdict import Judge

LIMIT = 12
UNKNOWN = {"mnist": "data:ood/mnist", "imagenet_crop": "data:imagenet_crop", "uniform": "noise:uniform"}  # the second as where no data folder was named


def make_pack(folder, seed):
    preprocessing = Preprocessing(size=32, jpeg=75)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = create("cifar_resnet18", classes=10, width=2)
    toys = open_source("toybox:train")
    pictures = {"held_out": "data:cifar10_train", "jigsaw": "data:cifar10_train", **UNKNOWN}
    training = {"method": "mixup", "command": "python -m core train", "pictures": 80, "epochs": 3, "seed": 0, "precision": "bf16", "ema": 0.9, "hours": 0.1}
    build(
        folder,
        network=network,
        preprocessing=preprocessing,
        bank=read(toys, preprocessing, stop=60),
        held_out=read(toys, preprocessing, start=60, stop=120),
        validation=read(open_source("toybox:test"), preprocessing, stop=20),
        unknown={"mnist": read(open_source("toybox:letters"), preprocessing, stop=10)},
        facts={
            "arch": "cifar_resnet18",
            "width": 2,
            "classes": list(toys.classes),
            "training": training,
            "pictures": {k: {"source": v} for k, v in pictures.items()},
        },
    )


def altered(source, folder, training=(), **facts):
    """Copy a pack and change what its pack.toml says."""
    shutil.copytree(source, folder)
    document = tomlkit.loads((folder / "pack.toml").read_text("utf-8"))
    document.update(facts)
    document["training"].update(training)
    (folder / "pack.toml").write_text(tomlkit.dumps(document), "utf-8")


@pytest.fixture(scope="module")
def packs(tmp_path_factory):
    """Return a folder of three methods, one of them with two seeds, and of packs that cannot be compared; mixup and standard are one network."""
    made = tmp_path_factory.mktemp("packs")
    make_pack(made / "mixup", 0)
    make_pack(made / "adversarial-mixup", 1)
    altered(made / "adversarial-mixup", made / "adversarial", {"method": "adversarial-mixup", "settings": {"alpha": 1.0, "eps": 8 / 255, "reading": "blend"}})
    shutil.rmtree(made / "adversarial-mixup")
    altered(made / "mixup", made / "standard", {"method": "standard"})
    altered(made / "adversarial", made / "standard-1", {"method": "standard", "seed": 1})
    altered(made / "mixup", made / "longer", {"epochs": 4})
    altered(made / "mixup", made / "foreign", {"method": "none"})
    altered(made / "mixup", made / "damaged", format=99)
    altered(made / "mixup", made / ".half-written", {"method": "m-tlat"})
    return made


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for name, spec in {"cifar10_test": "toybox:test", "ood/mnist": "toybox:letters", "ood/imagenet_crop": "toybox:textures"}.items():
        source = open_source(spec)
        items = [source[i] for i in range(2 * LIMIT)]
        (folder / name).parent.mkdir(exist_ok=True)
        encoded = [png(item) for item in items]
        pq.write_table(pa.table({"image": encoded, "label": [item.label for item in items]}), folder / f"{name}.parquet")
    return folder


def png(item):
    from io import BytesIO

    buffer = BytesIO()
    item.open().save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def made(packs, data, tmp_path_factory):
    """Return (the table, the report, the arguments of the run): without the shipped packs."""
    out = tmp_path_factory.mktemp("out")
    files = ("--out", out / "table.parquet", "--report", out / "docs" / "training.md", "--cache", out / "cache", "--grid", out / "none.json")
    arguments = [str(a) for a in ("--data", data, "--packs", packs, "--limit", LIMIT, "--device", "cpu", *files)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_methods, "SHIPPED_PACKS", out)
        assert main(arguments) == 0
    return read_comparison(out / "table.parquet"), (out / "docs" / "training.md").read_text("utf-8"), arguments


def test_packs_are_compared_that_differ_in_method_and_seed_alone(packs, capsys):
    assert [p.facts["pack"] for p in find([packs])] == ["standard", "standard-1", "mixup", "adversarial"]
    assert "format 99" in capsys.readouterr().err


def test_a_pack_that_is_there_twice_counts_once(packs, tmp_path, capsys):
    shutil.copytree(packs / "standard", tmp_path / "again")
    assert len(find([packs, tmp_path])) == 4 and "left out: again" not in capsys.readouterr().err
    altered(packs / "adversarial", tmp_path / "other", {"method": "standard"})
    assert len(find([packs, tmp_path])) == 4
    assert "other has the method and the seed of standard" in capsys.readouterr().err


def test_the_table_has_a_row_for_each_pack_detector_set_and_convention(made):
    table, _, _ = made
    cases = table.groupby(["pack", "detector", "set", "convention"]).size()
    assert (cases == 1).all() and len(table) == 4 * table.detector.nunique() * len(UNKNOWN) * 2
    assert {"msp", "odin", "consensus"} <= set(table.detector) <= set(DETECTORS) and set(table.convention) <= set(CONVENTIONS)
    assert set(table.set) == set(UNKNOWN), "puzzles of known pictures are no OOD set"
    assert (table.data == "cifar10").all() and (table.known == LIMIT).all() and (table.unknown == LIMIT).all()


def test_the_table_equals_what_bench_measures(made, packs, data):
    table, _, _ = made
    pack = load_pack(packs / "adversarial", device="cpu")

    def measured(spec):
        batch = read(open_source(spec), pack.preprocessing, stop=LIMIT)
        return probe_all(pack.network, batch.images, pack.preprocessing, means=(pack.reference.middle,), perturb=perturbation(pack.preprocessing)), batch.labels

    known, labels = measured(data / "cifar10_test.parquet")
    letters, _ = measured(data / "ood" / "mnist.parquet")
    evaluation = evaluate(Judge(pack.reference, ("msp", "odin", "knn")), {"mnist": letters}, known=known, labels=labels)
    rows = table[(table.pack == "adversarial") & (table.set == "mnist") & (table.convention == "odin_grid")].set_index("detector")
    for detector, row in figures(evaluation, convention="odin_grid", resamples=0).items():
        assert rows.loc[detector, list(METRICS)].to_dict() == pytest.approx({m: row["mnist"][m] for m in METRICS})
    assert rows.accuracy.iloc[0] == pytest.approx(100 * evaluation.accuracy)
    assert rows.confidence.iloc[0] == pytest.approx(100 * letters.logits.softmax(1).amax(1).mean().item(), abs=1e-3)


def test_the_report_says_what_the_table_says(made):
    table, text, _ = made
    assert "| SVHN does not improve" in text and "not measured" in text, "there is no stand-in for SVHN among these sets"
    found = improvement(table)
    found = found[(found.method == "adversarial-mixup") & (found.detector == "msp") & (found.convention == "odin_grid") & (found.set == "uniform")]
    value = found.fpr95.item()
    (line,) = [line for line in text.splitlines() if line.startswith("| FPR@TPR95 is up to 100 % lower")]
    assert (f"| {value:.1f} |" in line) if value == value else line.endswith("| not measured |")
    assert "python -m core train" in text and "2 channels" in text and "quality 75" in text
    assert "n: 12 known; mnist 12, imagenet_crop 12, uniform 12." in text and "`odin_grid`" in text and "`id_positive`" in text
    assert "### Seeds" in text and "one of them has a single seed" in text
    assert "The search of alpha" not in text
    assert "nan" not in text


def test_a_second_start_measures_nothing_again(made, monkeypatch, tmp_path):
    table, text, arguments = made
    monkeypatch.setattr(training_methods, "SHIPPED_PACKS", tmp_path)
    monkeypatch.setattr(training_methods, "measured", lambda *_: pytest.fail("it measured again"))
    assert main(arguments) == 0
    assert read_comparison(arguments[arguments.index("--out") + 1]).equals(table)


def test_nothing_to_compare(tmp_path, data, monkeypatch, capsys):
    monkeypatch.setattr(training_methods, "SHIPPED_PACKS", tmp_path)
    assert main(["--data", str(data), "--out", str(tmp_path / "table.parquet")]) == 2
    assert "name their folder with --packs" in capsys.readouterr().err and not (tmp_path / "table.parquet").exists()


@pytest.mark.parametrize("ours, says", [(60.0, "not reproduced"), (50.0, "not reproduced"), (40.0, "in part"), (0.0, "reproduced")])
def test_the_report_prints_what_came_out(made, packs, ours, says):
    table, _, _ = made
    fpr95 = table.method.map({"standard": 70.0, "mixup": 50.0, "adversarial-mixup": ours})
    text = report(table.assign(fpr95=fpr95), find([packs]))
    for claimed in ("61 % lower", "100 % lower"):
        (line,) = [line for line in text.splitlines() if line.startswith("|") and claimed in line]
        assert line.endswith(f"| {says} |"), line
    lowest = "Mixup (50.0 %)" if ours > 50 else f"Adversarial-Mixup ({ours:.1f} %)"
    assert ours == 50 or f"Lowest mean FPR@TPR95: {lowest}" in text
    assert f"Adversarial-Mixup {100 * (50 - ours) / 50:+.1f} %." in text


@pytest.mark.parametrize("own, says", [(25.0, "their seeds' ranges lie apart"), (60.0, "their seeds' ranges overlap")])
def test_the_report_says_whether_seeds_lie_apart(made, packs, own, says):
    table, _, _ = made
    fpr95 = table.pack.map({"standard": 50.0, "standard-1": 70.0, "mixup": 50.0, "adversarial": own})
    text = report(table.assign(fpr95=fpr95), find([packs]))
    side = f"{abs(own - 60):.1f} points {'lower' if own < 60 else 'higher'}"
    assert f"FPR@TPR95 of Adversarial-Mixup is {side} than of Standard training; {says}" in text


def test_the_report_shows_the_search(made, packs):
    table, _, _ = made
    line = {"puzzles": 80.0, "noise": 60.0, "confidence": 70.0, "minutes": 1.0}
    lines = [
        {"method": "standard", "settings": {}, "accuracy": 60.0, "fpr95": 70.0, **line},
        {"method": "adversarial-mixup", "settings": {"alpha": 1.0, "eps": 8 / 255, "reading": "blend"}, "accuracy": 60.0, "fpr95": 65.0, **line},
        {"method": "adversarial-mixup", "settings": {"alpha": 1.0, "eps": 2 / 255, "reading": "blend"}, "accuracy": 60.0, "fpr95": 66.0, **line},
    ]
    grid = {"arch": "cifar_resnet18", "width": 16, "epochs": 6, "trained": 8000, "kept": 2000, "seed": 0, "convention": "id_positive"}
    grid |= {"criterion": ["puzzles", "noise"], "tolerance": 2.0, "lines": lines}
    found = find([packs])
    text = report(table, found, grid)
    assert "| Adversarial-Mixup | 1 | 8/255 | blend | 60.0 | 80.0 | 60.0 | 65.0 | 70.0 | chosen |" in text
    assert "| Adversarial-Mixup | 1 | 2/255 | blend | 60.0 | 80.0 | 60.0 | 66.0 | 70.0 |  |" in text
    assert "Adversarial-Mixup: the packs have what was chosen." in text
    lines[1]["fpr95"] = 67.0
    assert "Adversarial-Mixup: the packs have other settings than were chosen." in report(table, found, grid)


def test_one_method_alone_needs_no_table_against_mixup(made, packs):
    table, _, _ = made
    text = report(table[table.method != "mixup"], [p for p in find([packs]) if p.facts["method"] != "mixup"])
    assert "### Improvement against Mixup" not in text and "not measured" in text


def test_tables_of_the_report_are_whole(made):
    _, text, _ = made
    lines = text.splitlines()
    for above, line in zip(lines, lines[1:], strict=False):
        if above.startswith("|") and line.startswith("|"):
            assert above.count("|") == line.count("|"), line
