"""The command line, run as a person runs it; the reference numbers where they are present."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from core.images.sources import open_source

ROOT = Path(__file__).parents[2]


def core(*arguments, **environment):
    """Return (exit code, stdout, stderr) of python -m core."""
    command = [sys.executable, "-m", "core", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **environment})
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def pictures(tmp_path):
    toy, broken = tmp_path / "toy.png", tmp_path / "broken.png"
    Image.fromarray(open_source("toybox:test")[2].data).save(toy)
    broken.write_text("no picture at all")
    return toy, broken


def test_packs_lists_what_ships():
    code, out, _ = core("packs", "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert code == 0 and {"toybox", "cifar10"} <= set(rows)
    assert rows["toybox"].keys() == {"name", "arch", "training", "accuracy", "selected_block", "detector", "classes", "bytes"}
    assert rows["toybox"]["accuracy"] >= 95 and rows["cifar10"]["accuracy"] >= 88


def test_a_bad_picture_has_its_error_and_the_others_their_verdicts(pictures):
    code, out, err = core("verdict", *pictures, "--pack", "toybox", "--json")
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
        (("download", "ImageNet"), "There is no data set to download named 'ImageNet'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, sentence):
    code, out, err = core(*arguments)
    assert code == 2 and out == ""
    assert sentence in err and len(err.strip().splitlines()) == 1


def test_blocks_of_a_pack(tmp_path):
    code, out, _ = core("blocks", "--pack", "toybox", "--images", "toybox:test", "--limit", "50", "--json")
    document = json.loads(out)
    ratios = {b["name"]: b["norm_ratio"] for b in document["blocks"]}
    assert code == 0 and document["images"] == 50 and document["accuracy"] > 80
    assert document["selected"] == max(ratios, key=ratios.get)


def test_score_writes_a_row_a_picture_bad_ones_too(pictures, tmp_path):
    out_file = tmp_path / "scores.parquet"
    code, out, _ = core("score", "--pack", "toybox", "--images", pictures[0].parent, "--detectors", "consensus,knn", "--out", out_file, "--json")
    table = pd.read_parquet(out_file).set_index("name")
    assert code == 1 and json.loads(out)["errors"] == 1
    assert table.loc["toy.png", "verdict"] == "ID" and table.loc["broken.png", "error"].startswith("This is a text file")
    assert {"score_consensus", "score_knn"} <= set(table.columns)


def test_the_bad_pictures_are_survived(data):
    files = [f for f in sorted((data / "bad_images").iterdir()) if f.suffix != ".csv"]
    code, out, err = core("verdict", *files, "--pack", "cifar10", "--json")
    rows = json.loads(out)
    assert code == 1 and len(rows) == len(files) and "Traceback" not in err
    assert all(row["error"] or row["verdict"] in ("ID", "OOD") for row in rows)
    assert all(len(row["error"]) <= 300 for row in rows if row["error"])


def test_the_reference_numbers_hold(reference):
    check = reference.parent / "checks" / "contract.py"
    if not check.is_file():
        pytest.skip("the contract check is not present")
    done = subprocess.run([sys.executable, check, "blocks"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_help_is_instant_and_names_every_command():
    code, out, _ = core("--help")
    assert code == 0 and all(name in out for name in ("packs", "verdict", "blocks", "score", "train", "download"))
    loaded = subprocess.run([sys.executable, "-X", "importtime", "-m", "core", "--help"], cwd=ROOT, capture_output=True, text=True).stderr
    assert " torch" not in loaded
