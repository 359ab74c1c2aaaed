"""The command line; the reference numbers where they are present. What a process of its own would change is run as a person runs it."""

import contextlib
import io
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from core.cli import main
from core.images.sources import open_source
from core.training.command import checkpoint_of

ROOT = Path(__file__).parents[2]
TRAIN = ("train", "--data", "toybox:train", "--val", "toybox:test", "--out", "nowhere")
CORRUPT = ("corrupt", "--images", "toybox:test", "--out", "nowhere.parquet")


def process(*arguments, **environment):
    """Return (exit code, stdout, stderr) of python -m core."""
    command = [sys.executable, "-m", "core", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **environment})
    return done.returncode, done.stdout, done.stderr


def core(*arguments):
    """Return (exit code, stdout, stderr) of the same command in this process, which has imported torch."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            code = main(list(map(str, arguments)))
        except SystemExit as ended:
            code = ended.code
    return code, out.getvalue(), err.getvalue()


def resnet56(data):
    return "--arch", "cifar_resnet56", "--weights", data / "checkpoints/akamaster_resnet56.safetensors"


@pytest.fixture
def pictures(tmp_path):
    toy, broken = tmp_path / "toy.png", tmp_path / "broken.png"
    Image.fromarray(open_source("toybox:test")[2].data).save(toy)
    broken.write_text("no picture at all")
    return toy, broken


def test_packs_lists_what_ships():
    code, out, _ = process("packs", "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert code == 0 and {"toybox", "cifar10"} <= set(rows)
    assert rows["toybox"].keys() == {"name", "arch", "training", "accuracy", "selected_block", "detector", "classes", "bytes"}
    assert rows["toybox"]["accuracy"] >= 95 and rows["cifar10"]["accuracy"] >= 88


def test_a_bad_picture_has_its_error_and_the_others_their_verdicts(pictures):
    code, out, err = process("verdict", *pictures, "--pack", "toybox", "--json")
    good, bad = json.loads(out)
    assert code == 1 and err == ""
    assert good["error"] is None and good["verdict"] == "ID" and good["class"] == "duck" and 0 < good["p_value"] <= 1
    assert bad["error"].startswith("This is a text file") and "verdict" not in bad
    assert set(good["detectors"]) >= {"consensus", "featurenorm", "msp", "knn", "mahalanobis_middle"}
    assert all(d["verdict"] == ("ID" if d["score"] > d["threshold"] else "OOD") for d in good["detectors"].values())


def test_the_share_of_known_pictures_to_keep_moves_the_threshold(pictures):
    strict, loose = (json.loads(core("verdict", pictures[0], "--pack", "toybox", "--keep", k, "--json")[1])[0] for k in (80, 99))
    assert strict["threshold"] > loose["threshold"] and strict["score"] == loose["score"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("verdict", "x.png", "--pack", "nowhere"), "There is no pack named 'nowhere'; the known ones are"),
        (("verdict", "x.png", "--pack", "toybox", "--keep", "120"), "--keep is 120"),
        (("blocks", "--images", "toybox:test"), "Say which network"),
        (("blocks", "--pack", "toybox", "--images", "nowhere.parquet"), "There is no picture source nowhere.parquet"),
        (("blocks", "--arch", "resnet1", "--weights", "x", "--images", "toybox:test"), "There is no file x"),
        (("blocks", "--pack", "toybox", "--images", "toybox:test", "--limit", "5", "--mode", "raw"), "There is no mode named 'raw'"),
        (("score", "--pack", "toybox", "--images", "toybox:test", "--detectors", "magic", "--out", "x.parquet"), "There is no detector named 'magic'"),
        ((*CORRUPT, "--corruption", "rain", "--severity", "3"), "There is no corruption named 'rain'; the known ones are brightness"),
        ((*CORRUPT, "--corruption", "fog", "--severity", "6"), "The severity is 6; give a whole number from 1 to 5."),
        (("download", "ImageNet"), "There is no data set to download named 'ImageNet'"),
        ((*TRAIN, "--method", "magic"), "There is no training method named 'magic'"),
        ((*TRAIN, "--method", "mixup", "--eps", "0.1"), "Mixup takes no --eps; it takes: --alpha"),
        ((*TRAIN, "--method", "adversarial-mixup", "--alpha", "0"), "alpha must be above 0"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, sentence):
    code, out, err = core(*arguments)
    assert code == 2 and out == ""
    assert sentence in err and len(err.strip().splitlines()) == 1


def test_a_process_ends_as_its_command_does():
    arguments = ("verdict", "x.png", "--pack", "nowhere")
    assert process(*arguments) == core(*arguments) and core(*arguments)[0] == 2


def test_blocks_of_a_pack(tmp_path):
    code, out, _ = core("blocks", "--pack", "toybox", "--images", "toybox:test", "--limit", "50", "--json")
    document = json.loads(out)
    ratios = {b["name"]: b["norm_ratio"] for b in document["blocks"]}
    assert code == 0 and document["images"] == 50 and document["accuracy"] > 80
    assert document["selected"] == max(ratios, key=ratios.get)


def test_train_writes_a_pack_that_says_how_it_was_trained(tmp_path):
    for split, count in (("known", 40), ("more", 20)):
        for i, item in enumerate(open_source("toybox:train")[k] for k in range(count)):
            folder = tmp_path / split / ("duck" if i % 2 else "tree")
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(item.data).save(folder / f"{i}.png")
    pictures = ("--data", tmp_path / "known", "--val", tmp_path / "more", "--holdout", 10, "--bank", 20, "--ood", "noise=noise:uniform", "--ood-limit", 10)
    method = ("--method", "adversarial-mixup", "--alpha", 0.5, "--eps", 0.02, "--ema", 0.5, "--epochs", 2, "--arch", "cifar_resnet20", "--width", 4)
    code, out, err = process("train", *pictures, *method, "--out", tmp_path / "pack", "--json")
    assert code == 0, err
    figures, facts = json.loads(out), tomllib.loads((tmp_path / "pack" / "pack.toml").read_text())
    assert facts["training"]["method"] == "adversarial-mixup" and facts["training"]["ema"] == 0.5
    assert facts["training"]["settings"] == {"alpha": 0.5, "eps": 0.02, "reading": "blend"}
    assert len(facts["training"]["loss"]) == len(facts["training"]["accuracy"]) == 2
    assert figures["accuracy"] == facts["figures"]["accuracy"]
    assert len(facts["training"]["auroc"]["noise"]) == 2
    code, out, _ = core("verdict", tmp_path / "more" / "duck" / "1.png", "--pack", tmp_path / "pack", "--json")
    assert code == 0 and json.loads(out)[0]["class"] in ("duck", "tree")
    checkpoint_of(tmp_path / "pack").write_bytes(b"no checkpoint")
    code, out, err = core("train", *pictures, *method, "--no-resume", "--limit", 20, "--batch-size", 10, "--out", tmp_path / "pack", "--json")
    assert code == 0, err
    assert tomllib.loads((tmp_path / "pack" / "pack.toml").read_text())["training"]["pictures"] == 20


def test_score_writes_a_row_a_picture_bad_ones_too(pictures, tmp_path):
    out_file = tmp_path / "scores.parquet"
    code, out, _ = core("score", "--pack", "toybox", "--images", pictures[0].parent, "--detectors", "consensus,knn", "--out", out_file, "--json")
    table = pd.read_parquet(out_file).set_index("name")
    assert code == 1 and json.loads(out)["errors"] == 1
    assert table.loc["toy.png", "verdict"] == "ID" and table.loc["broken.png", "error"].startswith("This is a text file")
    assert {"score_consensus", "score_knn"} <= set(table.columns)


def test_corrupt_writes_a_source_that_can_be_read_again(pictures, tmp_path):
    out_file = tmp_path / "new" / "noisy.parquet"
    command = ("corrupt", "--corruption", "gaussian_noise", "--severity", 5, "--out", out_file, "--json")
    code, out, err = core(*command, "--images", "toybox:test", "--limit", 30, "--seed", 3)
    document = json.loads(out)
    assert code == 0, err
    assert document == {"out": str(out_file), "pictures": 30, "errors": 0, "corruption": "gaussian_noise", "severity": 5}
    clean, noisy = open_source("toybox:test"), open_source(out_file)
    assert len(noisy) == 30 and not list(out_file.parent.glob("*.part"))
    for i in range(0, 30, 7):
        before, after = clean[i], noisy[i]
        assert after.label == before.label and after.domain == "gaussian_noise"
        change = np.asarray(after.open(), float) - np.asarray(before.open())
        assert change.shape[2] == 3 and 3 < np.abs(change).mean() < 60
    first = out_file.read_bytes()
    core(*command, "--images", "toybox:test", "--limit", 30, "--seed", 3)
    assert out_file.read_bytes() == first
    code, out, err = core(*command, "--images", pictures[0].parent)
    assert code == 1 and json.loads(out)["errors"] == 1 and "broken.png is left out" in err


def test_the_bad_pictures_are_survived(data):
    files = [f for f in sorted((data / "bad_images").iterdir()) if f.suffix != ".csv"]
    code, out, err = process("verdict", *files, "--pack", "cifar10", "--json")
    rows = json.loads(out)
    assert code == 1 and len(rows) == len(files) and "Traceback" not in err
    assert all(row["error"] or row["verdict"] in ("ID", "OOD") for row in rows)
    assert all(len(row["error"]) <= 300 for row in rows if row["error"])


def test_blocks_agree_with_the_reference(data, reference):
    want = json.loads((reference / "resnet56_ood.json").read_text())
    code, out, err = core("blocks", *resnet56(data), "--images", data / "cifar10_test.parquet", "--limit", 1000, "--permutations", 1, "--json")
    assert code == 0, err
    got, ratio = json.loads(out), want["norm_ratio"]["normalised"]
    assert [block["name"] for block in got["blocks"]] == want["blocks"] and got["selected"] == ratio["selected"]
    assert [block["norm_id"] for block in got["blocks"]] == pytest.approx(want["norm_id"], rel=1e-3)
    assert [block["norm_ratio"] for block in got["blocks"]] == pytest.approx(ratio["mean_of_5_seeds"], abs=0.02)
    assert got["accuracy"] == pytest.approx(want["accuracy"], abs=0.15)


def test_help_is_instant_and_names_every_command():
    code, out, _ = process("--help")
    assert code == 0 and all(name in out for name in ("packs", "verdict", "blocks", "score", "corrupt", "train", "methods", "download"))
    loaded = subprocess.run([sys.executable, "-X", "importtime", "-m", "core", "--help"], cwd=ROOT, capture_output=True, text=True).stderr
    assert " torch" not in loaded


def test_bench_measures_detectors_and_blocks_and_keeps_the_run(tmp_path):
    place = {"BLOCKSCOPE_RUNS": f"sqlite:///{tmp_path}/runs.sqlite"}
    sets = ("--ood", "near=toybox:near", "--ood", "noise=noise:uniform", "--ood", "jigsaw=jigsaw")
    command = ("bench", "--pack", "toybox", "--id", "toybox:test", *sets, "--limit", 60, "--detectors", "energy,consensus,odin", "--blocks", "--resamples", 20)
    code, out, _ = process(*command, "--json", **place)
    got = json.loads(out)
    assert code == 0 and got["accuracy"] > 95 and got["convention"] == "id_positive" and got["seconds"] > 0
    assert set(got["detectors"]) == {"energy", "consensus", "odin"} and got["unavailable"] == {}
    assert got["pictures"] == {"known": 60, "near": 60, "noise": 60, "jigsaw": 60}
    row = got["detectors"]["consensus"]["near"]
    assert row.keys() == {"auroc", "aupr_in", "aupr_out", "fpr95", "ci"} and row["auroc"] > 90
    assert len(got["blocks"]["auroc"]["noise"]) == len(got["blocks"]["names"])
    code, out, _ = process("runs", "list", "--json", **place)
    (listed,) = json.loads(out)
    assert listed["id"] == got["run"] and listed["kind"] == "bench"
    code, out, _ = process("runs", "show", got["run"], **place)
    assert code == 0 and "ID accuracy" in out and "pack_hash" in out
    code, _, _ = process("runs", "export", got["run"], "--out", tmp_path / "run.json", **place)
    kept = json.loads((tmp_path / "run.json").read_text("utf-8"))
    assert code == 0 and kept["result"]["detectors"] == got["detectors"] and kept["made_by"]["seed"] == 0


def test_bench_of_a_pack_reads_its_numbers_alone(tmp_path):
    code, out, _ = core("bench", "--pack", "toybox", "--detectors", "msp", "--resamples", 0, "--no-save", "--json")
    got = json.loads(out)
    assert code == 0 and "run" not in got and set(got["detectors"]["msp"]) == set(got["pictures"]) - {"known"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("bench", "--pack", "toybox", "--convention", "best"), "There is no convention named 'best'; the known ones are id_positive, odin_grid, ood_positive"),
        (("bench", "--pack", "toybox", "--detectors", "oracle"), "There is no detector named 'oracle'"),
        (("bench", "--pack", "toybox", "--ood", "near"), "'near' is not of the form NAME=SRC"),
        (("bench", "--pack", "toybox", "--ood", "p=jigsaw"), "Puzzles are cut from the pictures of --id"),
        (("runs", "show"), "Say which run"),
        (("runs", "show", "nothing"), "nothing"),
    ],
)
def test_bench_and_runs_explain_what_is_wrong(arguments, sentence, tmp_path, monkeypatch):
    monkeypatch.setenv("BLOCKSCOPE_RUNS", f"sqlite:///{tmp_path}/runs.sqlite")
    code, out, err = core(*arguments)
    assert code == 2 and out == "" and sentence in err and err.count("\n") == 1


def test_build_measures_a_pack_anew(tmp_path):
    sources = ("--data", "toybox:train", "--val", "toybox:test", "--val-limit", 300, "--holdout", 60, "--bank", 60, "--border", "crop")
    # few pictures: what counts is that the network and the facts of its training stay
    code, out, _ = process("build", "--pack", "toybox", *sources, "--ood", "near=toybox:near", "--ood-limit", 20, "--out", tmp_path / "anew", "--json")
    assert code == 0 and json.loads(out)["accuracy"] > 95
    old, new = (tomllib.loads((folder / "pack.toml").read_text("utf-8")) for folder in (ROOT / "assets/packs/toybox", tmp_path / "anew"))
    assert new["measured"].startswith("python -m core build --pack toybox")
    assert new["training"] == old["training"] and new["files"]["weights.safetensors"] == old["files"]["weights.safetensors"]
    assert new["pictures"]["near"] == {"source": "toybox:near"} and new["sets"] == ["jigsaw", "near"]


def test_bench_agrees_with_the_reference_to_hundredths(data, reference):
    """On two sets and few pictures to fit on, since the rest costs minutes."""
    want = json.loads((reference / "resnet56_ood.json").read_text())
    sets = ("mnist", "tiny_imagenet")
    ood = [a for name in sets for a in ("--ood", f"{name}={data}/ood/{name}.parquet")]
    detectors = ("featurenorm", "msp", "maxlogit", "energy", "msp_selected_norm", "energy_selected_norm")
    settings = ("--limit", 1000, "--fit-limit", 200, "--detectors", ",".join(detectors), "--resamples", 0, "--no-save")
    code, out, err = core("bench", *resnet56(data), "--id", data / "cifar10_test.parquet", *ood, "--fit", data / "cifar10_train.parquet", *settings, "--json")
    assert code == 0, err
    got = json.loads(out)
    assert got["accuracy"] == pytest.approx(want["accuracy"], abs=0.1) and got["selected"] == want["norm_ratio"]["normalised"]["selected"]
    keys = {"auroc": ("auroc", 0.02), "aupr_in": ("aupr_in", 0.02), "aupr_out": ("aupr_out", 0.02), "fpr95": ("fpr95_id_positive", 0.2)}
    for name in sets:
        theirs = want["ood"][name]
        for detector in detectors:
            for mine, (key, bound) in keys.items():
                assert got["detectors"][detector][name][mine] == pytest.approx(theirs[detector][key], abs=bound), (name, detector, mine)
