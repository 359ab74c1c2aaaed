"""The command as a person gives it; corruptions are stood in for."""

import io
import json
import shutil
import sys
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from safetensors.torch import save_file

from core.adaptation.kept import kept_selection
from core.cli import main
from core.images.sources import open_source
from core.packs import list_packs


def parquet(file, count, domains):
    rows = {"image": [], "label": [], "domain": []}
    toys = open_source("toybox:test")
    for i in range(count):
        buffer = io.BytesIO()
        Image.fromarray(toys[i].data).save(buffer, "PNG")
        for column, value in zip(rows, (buffer.getvalue(), toys[i].label, domains[i * len(domains) // count]), strict=True):
            rows[column].append(value)
    pq.write_table(pa.table(rows), file)
    return file


@pytest.fixture
def net(tiny, tmp_path):
    save_file(tiny(width=4).state_dict(), tmp_path / "net.safetensors")
    return ["adapt", "--arch", "cifar_resnet20", "--width", "4", "--weights", str(tmp_path / "net.safetensors"), "--device", "cpu"]


@pytest.fixture
def stream(tmp_path):
    return str(parquet(tmp_path / "stream.parquet", 18, ("fog", "snow")))


@pytest.fixture
def corruptions(monkeypatch):
    module = ModuleType("core.corruptions")
    module.CORRUPTIONS = {f"c{i}": None for i in range(19)}
    module.corrupt = lambda images, name, severity, *, generator: (images * (1 - 0.1 * severity)).clamp(0, 1)
    monkeypatch.setitem(sys.modules, "core.corruptions", module)


def test_methods_on_a_ready_stream(net, stream, capsys):
    words = ["--stream", stream, "--methods", "source,bn,tent,dplot", "--source", stream, "--source-limit", "12", "--warmup-batches", "1"]
    assert main([*net, *words, "--batch-size", "5", "--json"]) == 0
    methods = json.loads(capsys.readouterr().out)["methods"]
    assert list(methods) == ["source", "bn", "tent", "dplot"]
    for row in methods.values():
        assert row["errors"].keys() == row["ece"].keys() == {"fog", "snow"} and all(0 <= e <= 100 for e in (*row["ece"].values(), row["ece_stream"]))
        assert all(0 <= e <= 100 for e in row["errors"].values()) and row["mean"] == pytest.approx(sum(row["errors"].values()) / 2, abs=1e-3)
    assert methods["source"]["selected_blocks"] is None and set(methods["dplot"]["selected_blocks"]) <= {f"layer{s}.{i}" for s in (1, 2, 3) for i in (0, 1, 2)}


def test_all_corruptions_are_the_published_fifteen(net, stream, capsys, corruptions):
    assert main([*net, "--images", stream, "--limit", "6", "--methods", "source", "--batch-size", "4", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)["methods"]["source"]["errors"]) == [f"c{i}" for i in range(15)]


def test_unknown_pictures_in_the_stream_and_lines_for_people(net, stream, capsys, corruptions):
    words = ["--images", stream, "--limit", "8", "--corruptions", "c3,clean", "--setting", "reset", "--ood", "toybox:near", "--ood-share", "0.5"]
    assert main([*net, *words, "--methods", "source,bn", "--batch-size", "8"]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[0].split()[:5] == ["error", "in", "%", "c3", "clean"] and "bn: batch 4, clean" in captured.err
    assert captured.out.splitlines()[3].split() == ["ECE", "in", "points", "c3", "clean", "mean", "whole", "stream"] and len(captured.out.splitlines()) == 6


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--stream", "S", "--methods", "magic"], "no adaptation method named 'magic'"),
        (["--stream", "S", "--methods", "bn,dplot"], "DPLOT needs pictures of the source: add --source SRC."),
        ([], "Say which stream"),
        (["--stream", "S", "--images", "S"], "Say which stream"),
        (["--stream", "S", "--setting", "gradual"], "its own order"),
        (["--images", "S", "--corruptions", "rain"], "no corruption named 'rain'"),
        (["--images", "S", "--setting", "magic"], "no setting named 'magic'"),
        (["--stream", "S", "--precision", "bf16"], "in fp32"),
    ],
)
def test_what_does_not_go_together_is_said_in_one_line(net, stream, capsys, corruptions, words, sentence):
    assert main([*net, *(stream if w == "S" else w for w in words)]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("error: ") and sentence in line


def test_a_network_without_batch_norm_is_refused(stream, tiny, tmp_path, capsys):
    save_file(tiny("cifar_vgg11", width=4).state_dict(), tmp_path / "vgg.safetensors")
    words = ["--arch", "cifar_vgg11", "--width", "4", "--weights", str(tmp_path / "vgg.safetensors"), "--stream", stream, "--methods", "bn"]
    assert main(["adapt", *words, "--device", "cpu"]) == 2
    assert "no batch normalisation, which BN works by" in capsys.readouterr().err


def test_select_keeps_a_selection_that_adapt_uses(tmp_path, capsys):
    if "toybox" not in list_packs():
        pytest.skip("no pack named toybox: it ships in assets/packs")
    pack = tmp_path / "mine"
    shutil.copytree(list_packs()["toybox"].folder, pack)
    (pack / "adaptation.json").unlink(missing_ok=True)
    assert main(["select", "--pack", str(pack), "--source", "toybox:train", "--source-limit", "24", "--device", "cpu", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["pictures"] == 24 and [row["block"] for row in found["blocks"] if row["selected"]] == found["selected"] and found["file"] == "adaptation.json"
    assert kept_selection(pack).selected == tuple(found["selected"])
    kept = json.loads((pack / "adaptation.json").read_text("utf-8"))
    kept["selection"]["selected"] = ["layer2.0"]
    (pack / "adaptation.json").write_text(json.dumps(kept), "utf-8")
    words = ["adapt", "--pack", str(pack), "--images", "toybox:test", "--limit", "8", "--corruptions", "clean", "--methods", "dplot"]
    words += ["--source", "toybox:train", "--source-limit", "24", "--warmup-batches", "1", "--batch-size", "8", "--device", "cpu", "--json"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["methods"]["dplot"]["selected_blocks"] == ["layer2.0"]
