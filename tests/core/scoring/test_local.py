"""Scoring in shards gives each picture the row that the judge alone gives it, whatever was scored before or in how many processes."""

import json
import os
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.cli import main
from core.errors import InputError
from core.images.sources import batches, open_source
from core.probe import probe
from core.scoring.decoding import ahead, decoded
from core.scoring.order import claim, fingerprint, order_of
from core.scoring.scorer import MARGIN
from core.scoring.shards import Part, Plan, part_name, read_part, score_shards


def table(folder):
    return pa.concat_tables(pq.read_table(file).replace_schema_metadata() for file in sorted(Path(folder).glob("part-*.parquet")))


def run(scorer, source, plan, folder, shards=None, **options):
    order = order_of(scorer, source, plan)
    done = claim(folder, order, plan)
    missing = [shard for shard in (shards or plan.shards) if shard not in done]
    return [part.shard for part in score_shards(scorer, source, plan, missing, folder, order=fingerprint(order), **options)]


@pytest.fixture
def source(pictures):
    return open_source(pictures)


@pytest.fixture
def plan(source):
    return Plan.of(len(source), shard=50, batch=16)


@pytest.mark.parametrize("keep", [0.5, 0.8])
def test_auto_decides_pictures_near_the_threshold_in_fp32(scorer, source, keep):
    batch = next(batches(source, scorer.preprocessing, size=150))
    full, half, auto = (replace(scorer, keep=keep, precision=p).score(batch).to_pylist() for p in ("fp32", "bf16", "auto"))
    doubtful = [row["error"] is None and abs(row["p_value"] - (1 - keep)) < MARGIN for row in half]
    assert 0 < sum(doubtful) < 50 and half != full
    for want, row in zip((f if again else h for f, h, again in zip(full, half, doubtful, strict=True)), auto, strict=True):
        assert row["verdict"] == want["verdict"] and row["error"] == want["error"]
        assert row["error"] or row["score_knn"] == pytest.approx(want["score_knn"], rel=1e-9)  # of a smaller batch: the last digits are others


def test_a_plan_covers_every_picture_once_in_whole_batches():
    for stop, shard, batch in ((150, 50, 16), (1, 5000, 256), (512, 10, 256), (10_001, 5000, 256)):
        plan = Plan.of(stop, shard=shard, batch=batch)
        bounds = [plan.bounds(s) for s in plan.shards]
        assert [i for first, last in bounds for i in range(first, last)] == list(range(stop))
        assert all(last - first == plan.shard for first, last in bounds[:-1]) and plan.shard % plan.batch == 0
    assert Plan.of(10**6).shard == 5120


def test_rows_are_what_the_judge_says_of_each_batch(scorer, source, plan, tmp_path):
    assert run(scorer, source, plan, tmp_path / "out") == [0, 1, 2, 3]
    rows = table(tmp_path / "out").to_pylist()
    assert [row["name"] for row in rows] == [f"pictures/{i}" for i in range(150)]
    assert [i for i, row in enumerate(rows) if row["error"]] == [7, 100]
    assert all(row[c] is None for i in (7, 100) for c, row in ((c, rows[i]) for c in rows[i]) if c not in ("name", "error"))
    good = iter(row for row in rows if row["error"] is None)
    for batch in batches(source, scorer.preprocessing, size=16):
        measured = probe(scorer.network, scorer.preprocessing.normalise(batch.images), means=(scorer.judge.reference.middle,))
        for label, v in zip(batch.labels.tolist(), scorer.judge.judge(measured, scorer.classes, keep=0.8), strict=True):
            row = next(good)
            assert row["label"] == label and (row["class"], row["confidence"]) == (v.class_name, v.confidence)
            assert (row["verdict"], row["p_value"]) == (v.verdict, v.p_value)
            assert all(row[f"score_{name}"] == v.opinions[name].score for name in v.opinions)


def test_a_run_goes_on_where_it_was_stopped_and_gives_the_same_bytes(scorer, source, plan, tmp_path):
    run(scorer, source, plan, tmp_path / "whole")
    assert run(scorer, source, plan, tmp_path / "parts", shards=[2]) == [2]
    (tmp_path / "parts" / part_name(0)).write_bytes(b"half a file")  # as another program might leave it
    before = (tmp_path / "parts" / part_name(2)).stat().st_mtime_ns
    assert run(scorer, source, plan, tmp_path / "parts") == [0, 1, 3]
    assert (tmp_path / "parts" / part_name(2)).stat().st_mtime_ns == before
    assert run(scorer, source, plan, tmp_path / "parts") == []
    assert table(tmp_path / "parts").equals(table(tmp_path / "whole"))


def test_parts_behind_a_url_are_the_same(scorer, source, plan, tmp_path):
    run(scorer, source, plan, tmp_path / "here")
    assert run(scorer, source, plan, "memory://scores/there") == [0, 1, 2, 3] and run(scorer, source, plan, "memory://scores/there") == []
    fs = fsspec.filesystem("memory")
    assert all(fs.cat_file(f"/scores/there/{file.name}") == file.read_bytes() for file in (tmp_path / "here").iterdir())
    fs.rm("/scores", recursive=True)


def test_a_part_says_what_it_holds(scorer, source, plan, tmp_path):
    run(scorer, source, plan, tmp_path)
    part, rows = read_part(tmp_path, 0), pq.read_table(tmp_path / part_name(0)).to_pylist()
    verdicts = [row["verdict"] for row in rows]
    assert part == Part(fingerprint(order_of(scorer, source, plan)), 0, 47, 1, verdicts.count("ID"), verdicts.count("OOD"), os.getpid())
    assert read_part(tmp_path, 99) is None


def test_processes_decode_the_same(scorer, source, plan, tmp_path):
    run(scorer, source, plan, tmp_path / "thread")
    run(scorer, source, plan, tmp_path / "processes", workers=1)
    assert table(tmp_path / "processes").equals(table(tmp_path / "thread"))


def test_another_order_in_the_same_folder_is_refused_by_what_differs(scorer, source, plan, tmp_path):
    run(scorer, source, plan, tmp_path)
    for other, changed in ((replace(scorer, keep=0.9), "keep"), (replace(scorer, detector="knn"), "detector")):
        with pytest.raises(InputError, match=rf"holds parts of another order \(what differs: {changed}\); give another --out, or --no-resume"):
            claim(tmp_path, order_of(other, source, plan), plan)
    weaker = replace(scorer, keep=0.9)
    assert claim(tmp_path, order_of(weaker, source, plan), plan, resume=False) == {} and not list(tmp_path.glob("part-*"))


def test_a_changed_source_is_another_order(scorer, source, plan, tmp_path, pictures):
    before = fingerprint(order_of(scorer, source, plan))
    assert fingerprint(order_of(scorer, open_source(pictures), plan)) == before
    os.utime(pictures, ns=(1, 1))
    assert fingerprint(order_of(scorer, open_source(pictures), plan)) != before


def test_what_decoding_raises_reaches_whoever_takes_the_batches(scorer):
    class Failing:
        def items(self, start, stop):
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(decoded(Failing(), scorer.preprocessing, [(0, 10)], size=5))


def test_no_more_is_drawn_than_waits():
    drawn = []
    values = ahead((drawn.append(i) or i for i in range(100)), 2)
    assert next(values) == 0
    values.close()
    assert len(drawn) <= 5


def test_the_command_joins_its_parts_and_goes_on(pictures, tmp_path, capsys):
    def command(*options, images=pictures):
        few = ("--detectors", "consensus,energy", "--batch-size", "16", "--shard-size", "64", "--json")
        code = main(["score", "--pack", "toybox", "--images", str(images), *few, *map(str, options)])
        return code, *capsys.readouterr()

    out, folder = tmp_path / "new" / "scores.parquet", tmp_path / "folder"
    code, printed, _ = command("--out", out)
    document = json.loads(printed)
    assert code == 1 and (document["pictures"], document["errors"], document["shards"], document["resumed"]) == (148, 2, 3, 0)
    rows = pq.read_table(out)
    assert rows.column_names[-1] == "error" and rows.num_rows == 150 and pq.ParquetFile(out).num_row_groups == 3
    assert [f.name for f in out.parent.iterdir()] == ["scores.parquet"]
    verdicts = rows.column("verdict").to_pylist()
    assert (document["id"], document["ood"]) == (verdicts.count("ID"), verdicts.count("OOD"))
    command("--out", folder)
    (folder / part_name(1)).unlink()
    assert json.loads(command("--out", folder)[1]) == {**document, "out": str(folder), "resumed": 2}
    joined = pq.read_table(folder).replace_schema_metadata()
    assert joined.equals(rows.replace_schema_metadata()) and np.isfinite(joined.column("p_value").drop_null().to_numpy()).all()
    assert command("--out", "x", "--ray-address", "auto")[2] == "error: The engine local takes no --ray-address; leave it out or choose another --engine.\n"
