"""python -m core watch, in this process: batches, flags, alarms, histories, p-values that were computed before, a folder that fills."""

import json
import threading
import time

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from core.cli import main
from core.images.sources import open_source
from core.packs import load_pack
from core.watch import command
from core.watch.history import read_history


def watch(capsys, *arguments):
    """Return (exit code, document or None, stderr) of watch --json."""
    code = main(["watch", *map(str, arguments), "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out) if out else None, err


def test_a_watch_of_pictures_says_what_verdicts_say_and_goes_on(capsys, tmp_path):
    history = tmp_path / "history.jsonl"
    command = ("--pack", "toybox", "--batch-size", 40, "--detector", "energy", "--out", history)
    code, document, _ = watch(capsys, *command, "--images", "toybox:test", "--limit", 60)
    pack, source = load_pack("toybox"), open_source("toybox:test")
    p_values = [pack.verdict(Image.fromarray(source[i].data), detector="energy").p_value for i in range(3)]
    assert code == 0 and document["alarms"] == [] and [b["pictures"] for b in document["batches"]] == [40, 20]
    assert document["batches"][0]["p_values"][:3] == pytest.approx(p_values, abs=1e-3)
    code, document, _ = watch(capsys, *command, "--images", "toybox:letters", "--limit", 40)
    assert code == 3 and document["alarms"] == [3] and len(document["batches"][0]["flagged"]) > 30
    assert [row["batch"] for row in read_history(history.read_bytes())[1]] == [1, 2, 3]
    code, document, err = watch(capsys, *command, "--images", "toybox:test", "--every", 50)
    assert code == 2 and document is None and "was begun with every 1000.0, not 50.0" in err


def test_lines_for_people_say_when_it_drifted(capsys):
    assert main(["watch", "--pack", "toybox", "--images", "noise:uniform", "--limit", "20"]) == 3
    out = capsys.readouterr().out
    assert "20 pictures, 20 called OOD" in out and "ALARM at batch 1: drifted since about batch 1" in out


def test_p_values_that_score_wrote_are_taken_as_they_are(capsys, tmp_path):
    scores = tmp_path / "scores.parquet"
    assert main(["score", "--pack", "toybox", "--images", "toybox:near", "--limit", "30", "--detectors", "msp", "--out", str(scores)]) == 0
    capsys.readouterr()
    code, document, _ = watch(capsys, "--images", scores, "--batch-size", 25)
    parts = tmp_path / "parts"
    assert main(["score", "--pack", "toybox", "--images", "toybox:near", "--limit", "30", "--detectors", "msp", "--out", str(parts)]) == 0
    capsys.readouterr()
    assert watch(capsys, "--images", parts, "--batch-size", 25)[:2] == (code, document)
    table = pd.read_parquet(scores)
    assert code == 3 and document["watch"]["known"] == 2000 and document["batches"][0]["names"] == table["name"][:25].tolist()
    assert [p for b in document["batches"] for p in b["p_values"]] == table["p_value"].tolist()
    table.to_parquet(scores)  # without what score says of it
    assert "name the pack with --pack" in watch(capsys, "--images", scores)[2]
    assert watch(capsys, "--images", scores, "--pack", "toybox")[0] == 3
    table["p_value"] = 0.1234567
    table.to_parquet(scores)
    assert "no p-values against 2000" in watch(capsys, "--images", scores, "--pack", "toybox")[2]
    assert "--follow watches a folder" in watch(capsys, "--images", scores, "--follow")[2]


def test_pictures_are_taken_as_they_arrive_and_never_twice(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "POLL", 0.05)
    folder, history = tmp_path / "in", tmp_path / "history.jsonl"
    folder.mkdir()
    toys = open_source("toybox:test")

    def arrive(first, last):
        for i in range(first, last):
            Image.fromarray(toys[i].data).save(folder / f"{i:03}.png")

    arrive(0, 3)
    (folder / "broken.png").write_bytes(b"no picture")
    thread = threading.Thread(target=lambda: (time.sleep(0.5), arrive(3, 8)))
    thread.start()
    follow = ("--pack", "toybox", "--images", folder, "--follow", "--batch-size", 4, "--detector", "msp", "--out", history)
    code, document, _ = watch(capsys, *follow, "--limit", 8)
    thread.join()
    assert code == 1 and document["errors"] == 1
    first = [name for row in read_history(history.read_bytes())[1] for name in row["names"]]
    assert len(first) == len(set(first)) == 7 and "broken.png" not in first
    arrive(8, 12)
    watch(capsys, *follow, "--limit", 4)
    rows = read_history(history.read_bytes())[1]
    assert [row["batch"] for row in rows] == [1, 2, 3]
    names = [name for row in rows for name in row["names"]]
    assert len(names) == len(set(names)) == 11 and np.isin(first, names).all()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--images", "toybox:test"), "Say which pack judges"),
        (("--pack", "toybox", "--images", "toybox:test", "--detector", "odin"), "There is no detector named 'odin'"),
        (("--pack", "toybox", "--images", "toybox:test", "--fdr", "7"), "The fdr of a watch is 7"),
        (("--pack", "toybox", "--images", "toybox:test", "--follow"), "toybox:test is no folder"),
    ],
)
def test_bad_input_is_one_line(capsys, arguments, sentence):
    code, document, err = watch(capsys, *arguments)
    assert code == 2 and document is None and sentence in err and len(err.strip().splitlines()) == 1
