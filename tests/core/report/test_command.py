"""The command, run as a person runs it."""

import json

import pytest
from PIL import Image

from core.cli import main
from core.images.sources import open_source
from core.report.command import find


@pytest.fixture
def toy(tmp_path):
    Image.fromarray(open_source("toybox:test")[2].data).save(tmp_path / "toy.png")
    return tmp_path / "toy.png"


def test_it_writes_a_page_and_prints_its_sentences(toy, tmp_path, capsys):
    out = tmp_path / "report.html"
    assert main(["report", str(toy), "--pack", "toybox", "--method", "gradcam", "--lang", "ko", "--out", str(out), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    text = out.read_text("utf-8")
    assert document["verdict"] == "ID" and document["class"] == "duck" and document["sentences"][0]["text"] in text
    assert "오리" in document["sentences"][0]["text"] and str(tmp_path) not in text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("toybox:test/3", "--out", "report.pdf"), "A report is a web page, not report.pdf; end its name in .html."),
        (("nowhere.png", "--out", "x.html"), "nowhere.png"),
        (("toybox:test/999999", "--out", "x.html"), "There is no picture 'toybox:test/999999'; toybox:test holds"),
        (("toybox:magic/1", "--out", "x.html"), "There is no toybox split named 'magic'"),
        (("toybox:test/3", "--out", "x.html", "--keep", "120"), "--keep is 120"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, sentence, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["report", *arguments, "--pack", "toybox"]) == 2
    said = capsys.readouterr()
    assert sentence in said.err and len(said.err.strip().splitlines()) == 1 and said.out == ""
    assert not list(tmp_path.iterdir())


def test_a_file_goes_before_a_source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toybox:test").mkdir()
    (tmp_path / "toybox:test" / "3").write_bytes(b"")
    assert find("toybox:test/3")[1] is None
    assert find("toybox:test/4")[1] == "toybox:test/4"
