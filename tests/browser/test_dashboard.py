"""A person at the dashboard: what can be seen and clicked, in a real browser over the real server."""

import csv
import io
import os
import pickle
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import expect

from core.packs import describe
from dashboard.parts.foot import PATH
from tests.browser.conftest import faults, keep_result, settle
from tests.soak.server import ROOT

pytestmark = pytest.mark.browser

TITLE = "Does the model know what it is looking at?"
TITLE_KO = "모델은 지금 보는 것을 알고 있을까?"
SAYS = re.compile(r"^(Known|Unknown)\. ")
SAYS_KO = re.compile(r"^(아는|모르는) 그림입니다\. ")


def encoded(image, format="PNG"):
    buffer = io.BytesIO()
    image.save(buffer, format)
    return buffer.getvalue()


def noise(seed=0, side=256):
    return encoded(Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)))


def page_of_text():
    image = Image.new("RGB", (480, 480), "white")
    draw = ImageDraw.Draw(image)
    for row in range(22):
        draw.text((12, 10 + 21 * row), f"{row + 1:2d}  The quick brown fox jumps over the lazy dog. 0123456789", fill="black")
    return encoded(image)


def upload(page, **files):
    """Bring files, name=bytes ("_" before the suffix), as if they were dropped."""
    page.get_by_role("tab", name="Your pictures").click()
    chosen = [{"name": name.replace("_", "."), "mimeType": "image/png", "buffer": data} for name, data in files.items()]
    page.locator("input[type=file]").set_input_files(chosen)


def query(page):
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def words(page):
    return page.get_by_text(SAYS)


def test_start_page_says_a_verdict_and_a_pinned_picture_stays_beside_the_next(visit):
    page = visit()
    expect(page.get_by_role("heading", level=1, name=TITLE)).to_be_visible()
    expect(words(page)).to_have_count(1)
    expect(page.get_by_text(re.compile(r"of known pictures look at least this unfamiliar"))).to_be_visible()
    assert query(page)["picture"].startswith("toybox:test/")
    page.get_by_role("button", name="Pin to compare").click()
    settle(page)
    page.get_by_role("button", name="noise", exact=True).click()
    expect(words(page)).to_have_count(2)
    expect(page.get_by_role("img", name="The picture noise")).to_be_visible()
    expect(page.get_by_role("img", name="The picture duck")).to_be_visible()
    settle(page)
    assert query(page)["pinned"] == "toybox:test/2"
    page.get_by_role("button", name="Unpin").click()
    expect(words(page)).to_have_count(1)
    settle(page)
    assert "pinned" not in query(page)
    for name, spec in {"letters": "toybox:letters/3", "fish": "toybox:test/3", "noise": "toybox:noise/0"}.items():
        page.get_by_role("button", name=name, exact=True).click()
        expect(page.get_by_role("img", name=f"The picture {name}")).to_be_visible()
        settle(page)
        expect(words(page)).to_have_count(1)
        assert query(page)["picture"] == spec
    page.get_by_role("navigation").get_by_role("link", name="Blocks").click()
    expect(page).to_have_url(re.compile("/blocks"))
    settle(page)
    page.get_by_role("navigation").get_by_role("link", name="Verdict").click()
    expect(page.get_by_role("img", name="The picture noise")).to_be_visible()


def test_the_path_from_page_to_page_takes_the_picture_along_and_comes_round(visit):
    page = visit(pack="toybox")
    page.get_by_role("button", name="letters", exact=True).click()
    for here, on in pairwise((*PATH, PATH[0])):
        settle(page)
        title = page.get_by_role("heading", level=1).inner_text()
        page.get_by_test_id("stPageLink-NavLink").filter(has_text="Next: ").click()
        expect(page).to_have_url(re.compile(rf"/{on if on != PATH[0] else ''}(\?|$)"))
        expect(page.get_by_role("heading", level=1)).not_to_have_text(title)
        settle(page)
        assert query(page).get("picture") == "toybox:letters/3", f"lost between {here} and {on}"
    expect(words(page)).to_have_count(1)


@pytest.mark.parametrize(("name", "make"), [("noise_png", noise), ("page_png", page_of_text)])
def test_what_no_training_showed_is_unknown(visit, name, make):
    page = visit(pack="toybox")
    upload(page, **{name: make()})
    expect(page.get_by_text(name.replace("_", ".")).first).to_be_visible()
    expect(page.get_by_role("img", name=f"The picture {name.replace('_', '.')}")).to_be_visible()
    expect(words(page)).to_have_text(re.compile("^Unknown"))
    settle(page)
    assert query(page)["picture"] == "brought"  # a link cannot carry an upload itself
    page.reload()
    expect(page.get_by_text("outlasts no reload")).to_be_visible()
    settle(page)
    expect(words(page)).to_have_text(re.compile("^Known"))  # of the picture that the gallery begins with


def test_strange_files_get_a_sentence_each_and_the_page_lives_on(visit):
    page = visit(pack="toybox")
    whole = encoded(Image.effect_noise((200, 200), 60).convert("RGB"), "JPEG")
    upload(page, letter_png=b"Dear model, this is only text.\n")
    complaints = page.get_by_role("alert").filter(has_text=re.compile("letter|empty|cut"))
    expect(complaints).to_have_count(1)
    settle(page)
    page.locator("input[type=file]").set_input_files(
        [
            {"name": "empty.png", "mimeType": "image/png", "buffer": b""},
            {"name": "cut.jpg", "mimeType": "image/jpeg", "buffer": whole[: len(whole) // 2]},
        ]
    )
    for name in ("letter.png", "empty.png", "cut.jpg"):
        sentence = page.get_by_role("alert").filter(has_text=name)
        expect(sentence).to_have_count(1)
        expect(sentence).to_have_text(re.compile(r"[a-z][^.]*\.\s*$"))
    settle(page)
    expect(words(page)).to_have_count(1)
    page.get_by_role("tab", name="Gallery").click()
    page.get_by_role("button", name="fish", exact=True).click()
    expect(page.get_by_text("in truth: fish")).to_be_visible()


def test_language_by_a_click_stays_from_page_to_page(visit):
    page = visit()
    page.get_by_role("radio", name="한국어").click()
    expect(page.get_by_role("heading", level=1, name=TITLE_KO)).to_be_visible()
    expect(page.get_by_text(SAYS_KO)).to_have_count(1)
    expect(page.locator("html")).to_have_attribute("lang", "ko")
    settle(page)
    expect(page).to_have_url(re.compile("[?&]lang=ko"))
    page.get_by_role("navigation").get_by_role("link", name="블록").click()
    expect(page).to_have_url(re.compile("/blocks"))
    expect(page.get_by_role("navigation").get_by_role("link", name="판정")).to_be_visible()
    settle(page)
    expect(page.locator("html")).to_have_attribute("lang", "ko")
    page.get_by_role("radio", name="English").click()
    expect(page.get_by_role("heading", level=1, name="Which block knows?")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_reload_keeps_what_the_link_says(visit):
    page = visit(pack="toybox", picture="toybox:textures/0", detector="energy", keep="90.0")
    before = words(page).inner_text()
    page.reload()
    settle(page)
    expect(page.get_by_role("img", name="The picture texture")).to_be_visible()
    expect(words(page)).to_have_text(before)
    expect(page.get_by_role("combobox", name="Who decides")).to_have_value("Energy")
    expect(page.get_by_role("slider")).to_have_attribute("aria-valuetext", "90 %")


def test_link_to_no_picture_is_answered_by_a_sentence(visit):
    page = visit(picture="toybox:test/999999")
    expect(page.get_by_role("alert").filter(has_text="999999")).to_have_count(1)
    page.get_by_role("button", name="fish", exact=True).click()
    expect(words(page)).to_have_count(1)


def test_many_pictures_make_a_table_and_a_csv(visit):
    page = visit(pack="toybox")
    upload(page, text_png=page_of_text(), **{f"noise{i}_png": noise(i) for i in range(3)})
    expect(page.get_by_role("heading", name=re.compile(r"\d of 4 pictures are unknown"))).to_be_visible()
    settle(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as CSV", exact=True).click()
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig"))))
    assert sorted(row["file"] for row in rows) == ["noise0.png", "noise1.png", "noise2.png", "text.png"]
    assert {row["verdict"][-5:] for row in rows} <= {"(ID)", "(OOD)"} or all("(" in row["verdict"] for row in rows)


def confusion(page):
    """Return what the first table of the Detector page says, row by row."""
    return page.get_by_test_id("stTable").first.locator("tbody tr").all_inner_texts()


def plot(page, key):
    """Return a chart by the start of its key, once it is drawn: which chart of a page stands first depends on which is mounted first."""
    chart = page.locator(f'[class*="st-key-{key}"]').get_by_test_id("stPlotlyChart")
    expect(chart.locator(".xtick").first).to_be_visible()
    return chart


def at(chart, x, y):
    """Return where a point of a chart's first panel lies on the page. Args: x, y: in the units of the axes."""
    place = """(plot, [x, y]) => { const {xaxis, yaxis} = plot._fullLayout, box = plot.getBoundingClientRect();
        return [box.x + xaxis._offset + xaxis.d2p(x), box.y + yaxis._offset + yaxis.d2p(y)]; }"""
    chart.scroll_into_view_if_needed()
    return chart.locator(".js-plotly-plot").evaluate(place, [x, y])


def test_dragging_the_threshold_changes_the_table(visit):
    page = visit("detector", pack="toybox", ood="near")
    before, heading = confusion(page), page.get_by_role("heading", name=re.compile("^Accepting 95.% of known"))
    expect(heading).to_be_visible()
    handle = page.get_by_role("slider").first
    handle.scroll_into_view_if_needed()
    box = handle.locator("xpath=../..").bounding_box()  # what is seen of it
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 200, y, steps=8)
    page.mouse.up()
    expect(heading).to_have_count(0)
    settle(page)
    after, keep = confusion(page), float(query(page)["keep"])
    assert keep < 90
    assert after != before
    assert f"{round(20 * keep):,}" in after[0]  # of 2,000 known pictures
    assert int(re.search(r"\d+", after[1].split("\t")[1])[0]) < int(re.search(r"\d+", before[1].split("\t")[1])[0])


def test_a_click_on_a_roc_curve_moves_the_threshold(visit):
    page = visit("detector", pack="toybox", ood="near", detectors="featurenorm")
    chart = plot(page, "roc_chart")
    points = chart.locator(".js-plotly-plot").evaluate("plot => plot.calcdata[0].map(p => [p.x, p.y])")
    x, y = min(points, key=lambda point: abs(point[1] - 60))
    page.mouse.click(*at(chart, x, y))
    expect(page.get_by_role("heading", name=re.compile("^Accepting 95.%"))).to_have_count(0)
    settle(page)
    assert float(query(page)["keep"]) == pytest.approx(y, abs=3)


def test_a_bar_opens_its_pictures_and_a_picture_what_every_detector_says(visit):
    page = visit("detector", pack="toybox", ood="near")
    chart = plot(page, "score_chart")
    bars = chart.locator(".js-plotly-plot").evaluate("plot => plot.calcdata[0].map(p => [p.p, p.s])")
    x, y = max(bars, key=lambda bar: bar[1])
    page.mouse.click(*at(chart, x, y / 2))
    expect(page.get_by_role("heading", name=re.compile(r"^Scores from .* known"))).to_be_visible()
    settle(page)
    assert "range" in query(page)
    page.locator('[class*="st-key-bin_None_"] button').first.click()
    told = page.get_by_role("heading", name=re.compile(r"\d+ of \d+ detectors"))
    expect(told).to_be_visible()
    settle(page)
    sentence, link = told.inner_text(), query(page)
    assert link["picture"].startswith("toybox:train/")
    page.reload()
    settle(page)
    expect(told).to_have_text(sentence)


def test_bringing_pictures_can_be_cancelled_and_survives_a_reload(visit):
    page = visit("detector", pack="toybox")
    page.get_by_text("Bring other unknown pictures").click()
    page.get_by_role("radio", name="1000", exact=True).click()
    settle(page)
    page.get_by_role("button", name="Measure this set").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled. Nothing was added.")).to_be_visible(timeout=5000)
    page.locator(".st-key-bring_size").get_by_role("radio", name="100", exact=True).click()
    settle(page)
    page.get_by_role("button", name="Measure this set").click()
    expect(page).to_have_url(re.compile("[?&]job="))
    page.reload()
    expect(page.get_by_role("combobox", name="Unknown pictures")).to_have_value("◆ noise, uniform")
    settle(page)
    expect(page.get_by_role("heading", name=re.compile("detectors on noise, uniform"))).to_be_visible()


def test_a_kept_result_is_opened_again(visit, page):
    keep_result(visit, page)
    page.get_by_role("link", name="Kept: open it").click()
    expect(page).to_have_url(re.compile("/runs"))
    settle(page)
    expect(page.get_by_role("heading", name=re.compile("is best: mean AUROC"))).to_be_visible()


def test_the_confidence_threshold_moves_the_counts(visit):
    page = visit("confidence", pack="toybox", ood="near")
    heading = page.get_by_role("heading", name=re.compile("^Above 90.% confidence"))
    expect(heading).to_be_visible()
    handle = page.get_by_role("slider", name="Confidence threshold")
    handle.focus()
    handle.press("ArrowRight")
    expect(heading).to_have_count(0)
    settle(page)
    assert query(page)["least"] == "91.0"


def test_a_network_is_trained_cancelled_and_resumed_and_is_then_a_model(visit, page):
    visit("training", live_method="standard", live_pictures="500", live_epochs="20", pack="toybox")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_text(re.compile(r"[1-9]\d* of 20 epochs done"))).to_be_visible(timeout=180_000)
    assert len(query(page)["training"]) == 16
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text(re.compile(r"stopped after [1-9]\d* whole epochs?"))).to_be_visible()
    page.reload()
    settle(page)
    expect(page.get_by_text(re.compile(r"stopped after [1-9]\d* whole epochs?"))).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text(re.compile(r"done\. [\d.]+\s%"))).to_be_visible(timeout=300_000)
    expect(page.get_by_role("heading", name=re.compile("After 20 of 20 epochs, Standard training is right"))).to_be_visible()
    page.get_by_role("button", name="Use this model").click()
    expect(page.get_by_text(re.compile(r"right on 300 known pictures"))).to_be_visible()
    settle(page)
    page.get_by_role("navigation").get_by_role("link", name="Verdict").click()
    expect(page.get_by_role("heading", level=1, name=TITLE)).to_be_visible()
    expect(words(page)).to_have_count(1)
    assert query(page)["pack"] != "toybox"


def test_a_checkpoint_becomes_a_model_with_the_numbers_of_the_command_line(visit, page, data, server, tmp_path):
    for file in (data / "checkpoints" / "akamaster_resnet44.safetensors", data / "cifar10_original.parquet"):
        (tmp_path / file.name).symlink_to(file)
    visit("workshop", weights_from="upload", pictures_from="upload", workshop_limit="300")
    page.locator(".st-key-workshop_weights input[type=file]").set_input_files(tmp_path / "akamaster_resnet44.safetensors")
    expect(page.get_by_text("The weights fit ResNet-44 (CIFAR): 10 classes, 21 blocks")).to_be_visible()
    page.locator(".st-key-workshop_pictures input[type=file]").set_input_files(tmp_path / "cifar10_original.parquet")
    expect(page.get_by_text("2,753 pictures.")).to_be_visible()
    page.get_by_role("button", name="Check", exact=True).click()
    expect(page.get_by_role("heading", name=re.compile(r"^3 · It recognises 9\d\.\d\s% of 500 known pictures"))).to_be_visible()
    settle(page)
    page.get_by_text("The same on the command line").click()
    command = shlex.split(page.locator('[data-testid="stCode"]').filter(has_text="pack new").inner_text())
    page.get_by_role("button", name="Build the model").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    use = page.get_by_role("button", name="Use this model")
    expect(use).to_be_visible(timeout=300_000)
    use.click()
    expect(page.get_by_text(re.compile(r"right on 60 known pictures"))).to_be_visible()
    settle(page)
    built = describe(server[2] / ".local" / "share" / "blockscope" / "packs" / query(page)["pack"]).facts
    assert command[:3] == ["python", "-m", "core"]
    subprocess.run([sys.executable, *command[1:]], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, timeout=300)
    again = describe(tmp_path / "my_pack").facts
    assert again["selection"]["selected"] == built["selection"]["selected"]
    assert again["selection"]["norm_ratio"] == pytest.approx(built["selection"]["norm_ratio"], rel=1e-4)
    assert again["figures"]["accuracy"] == built["figures"]["accuracy"]
    assert again["figures"]["consensus"] == built["figures"]["consensus"]
    page.get_by_role("navigation").get_by_role("link", name="Verdict").click()
    expect(page.get_by_role("heading", level=1, name=TITLE)).to_be_visible()
    expect(words(page)).to_have_count(1)


def test_strange_weights_get_a_sentence_each(visit, page, tmp_path):
    visit("workshop", weights_from="upload")
    (tmp_path / "code.pt").write_bytes(pickle.dumps(print))
    (tmp_path / "torn.safetensors").write_bytes(b"\0" * 100)
    upload = page.locator(".st-key-workshop_weights input[type=file]")
    for file in ("code.pt", "torn.safetensors"):
        upload.set_input_files(tmp_path / file)
        expect(page.get_by_test_id("stAlert").filter(has_text=file)).to_be_visible()
        settle(page)
    expect(page.get_by_text("Choose weights and pictures; then comes the check.")).to_be_visible()


def test_a_cell_opens_its_picture_and_a_picture_its_cell(visit):
    page = visit("corruptions", pack="toybox", picture="toybox:test/3")
    expect(page.get_by_role("heading", name=re.compile(r"^The fish is recognised under \d+ of \d+ corruptions at severity 5"))).to_be_visible()
    chart = page.get_by_test_id("stPlotlyChart").first
    expect(chart.locator(".ytick").filter(has_text="Fog")).to_be_visible()  # drawn, not only there
    rows = chart.locator(".js-plotly-plot").evaluate("plot => Object.fromEntries(plot.layout.yaxis.ticktext.map((t, i) => [t, plot.layout.yaxis.tickvals[i]]))")
    page.mouse.click(*at(chart, 1.7, rows["Fog"] + 0.3))  # a corner of the cell, not its mark
    expect(page.get_by_role("heading", name="Fog, severity 2")).to_be_visible()
    settle(page)
    assert (query(page)["corruption"], query(page)["severity"]) == ("fog", "2")
    expect(page.get_by_role("img", name="fish under the corruption Fog, severity 2")).to_have_count(2)  # enlarged, and in the gallery
    page.get_by_role("button", name="Snow", exact=True).click()
    expect(page.get_by_role("heading", name="Snow, severity 2")).to_be_visible()
    settle(page)
    page.get_by_role("radio", name="all severities").click()
    expect(page.get_by_role("img", name=re.compile("^fish under the corruption Snow, severity"))).to_have_count(6)
    settle(page)
    page.reload()
    settle(page)
    expect(page.get_by_role("heading", name="Snow, severity 2")).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("^fish under the corruption Snow, severity"))).to_have_count(6)


def batches_seen(page, method="Model as it is"):
    """Return how many batches a method has seen, as its progress says."""
    return int(re.search(rf"{method}: batch (\d+) of", page.get_by_test_id("stMain").inner_text()).group(1))


LONG = "gaussian_noise,fog,contrast,brightness,pixelate"  # long enough not to end while it is clicked on


def test_a_run_is_paused_stepped_cancelled_and_opened_again(visit, page):
    visit("adaptation", pack="toybox", adapt_methods="source,bn", adapt_pictures="1000", adapt_batch="10", adapt_corruptions=LONG)
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_role("heading", level=2, name=re.compile(r"after \d+ of 500 batches"))).to_be_visible(timeout=120_000)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
    page.reload()  # in the middle
    settle(page)
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
    page.wait_for_timeout(1500)
    before = batches_seen(page)
    page.wait_for_timeout(1500)
    assert batches_seen(page) == before < 500  # it holds still
    page.get_by_role("button", name="Step one batch").click()
    expect(page.get_by_text(f"Model as it is: batch {before + 1} of 500")).to_be_visible()
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled; what there was is kept.")).to_be_visible()
    settle(page)
    finding = page.get_by_role("heading", level=2).first.inner_text()
    run = query(page)["adaptation"]
    assert re.fullmatch("[0-9a-f]{16}", run) and "of 500 batches" in finding
    again = visit("adaptation", adaptation=run)
    expect(again.get_by_role("heading", level=2, name=finding)).to_be_visible()
    expect(again.get_by_role("button", name="Start", exact=True)).to_be_enabled()
    upload(again, letter_png=b"no picture")
    expect(again.get_by_text("letter.png").first).to_be_visible()
    upload(again, noise_png=noise())
    expect(again.get_by_text(re.compile("^(Every method answers as|Another answer than)"))).to_be_visible()


def test_why_shows_the_evidence_of_any_block_and_the_report_says_it_in_both_languages(visit, page):
    visit(pack="toybox-m-tlat", picture="toybox:test/2")
    page.get_by_text("Why this verdict?").click()
    finding = page.get_by_role("heading", name=re.compile(r"^Grad-CAM: half of what speaks for duck lies on \d+\s% of the picture"))
    expect(finding).to_be_visible()
    first = finding.inner_text()
    slider = page.locator(".st-key-why_block").get_by_role("slider")
    slider.focus()
    for _ in range(3):
        slider.press("ArrowLeft")
    expect(finding).not_to_have_text(first)
    assert query(page)["why"] == "True" and query(page)["why_block"].startswith("layer")
    chart = page.locator(".st-key-why_chart").get_by_test_id("stPlotlyChart")
    expect(chart).to_have_count(1)  # those of the blocks in between have gone
    chart.hover()
    expect(chart.get_by_text(re.compile("of the evidence on duck"))).to_be_visible()
    expect(page.get_by_text(re.compile(r"alone: duck"))).to_be_visible(timeout=100_000)  # from the background
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0, timeout=100_000)
    assert faults(page) == []
    for language, name in (("English", "Download a report"), ("한국어", "보고서 내려받기")):
        page.get_by_role("radio", name=language).click()
        settle(page)
        with page.expect_download() as download:
            page.get_by_role("button", name=name).click()
        report = Path(download.value.path()).read_text("utf-8")
        assert f'lang="{"en" if language == "English" else "ko"}"' in report and "<script" not in report and "http" not in report.replace("http-equiv", "")


def test_walk_the_tour_by_the_arrow_keys(visit):
    page = visit("tour", pack="toybox", present=1)
    page.set_viewport_size({"width": 1280, "height": 800})
    fits = "(main => main.scrollHeight <= main.clientHeight)(document.querySelector('[data-testid=stMain]'))"
    titles = []
    for number in range(1, 7):
        expect(page.get_by_text(f"Step {number} of 6", exact=True)).to_be_visible()
        settle(page)
        titles.append(page.get_by_role("heading", level=1).inner_text())
        page.wait_for_function(fits)
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("heading", level=2)).to_have_count(1)  # the answer
        settle(page)
        page.wait_for_function(fits)
        if number < 6:
            page.keyboard.press("ArrowRight")
    assert len(set(titles)) == 6 and query(page)["step"] == "6"
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Present to a class").wait_for()
    page.get_by_text("Worksheet to print").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the worksheet").click()
    sheet = Path(download.value.path()).read_text("utf-8")
    assert f"{urlsplit(page.url).netloc}/tour?" in sheet and all(title in sheet for title in titles)
    assert "evidence for duck" in sheet and "Before I trust an answer, I ask" in sheet


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("verdict", "toybox"),
        ("blocks", "cifar10"),
        ("detector", "toybox"),
        ("confidence", "cifar10"),
        ("training", "cifar10-adversarial-mixup-resnet18"),
        ("adaptation", "toybox"),
        ("corruptions", "toybox"),
        ("workshop", "toybox"),
        ("why", "toybox"),
        ("tour", "toybox"),
        ("trust", "cifar10"),
    ],
)
def test_screenshots_of_the_readme(visit, page, request, name, pack, language):
    if not request.config.getoption("--screenshots"):
        pytest.skip("only with --screenshots")
    page.set_viewport_size({"width": 1280, "height": 1400})
    picture = "toybox:test/3" if name in ("corruptions", "why") else "toybox:near/4"
    more = {"why": {"why": True, "why_method": "occlusion"}, "tour": {"step": 3, "a3": "late"}}.get(name, {})
    visit("" if name in ("verdict", "why") else name, lang=language, pack=pack, picture=picture, **more)
    if name == "why":
        page.get_by_text("/255").last.wait_for()
        expect(page.get_by_role("button", name={"en": "Cancel", "ko": "취소"}[language])).to_have_count(0)
        settle(page)
        page.set_viewport_size({"width": 1280, "height": 2500})
    if name == "adaptation":
        page.get_by_role("button", name={"en": "Start", "ko": "시작"}[language], exact=True).click()
        page.get_by_role("button", name={"en": "Cancel", "ko": "취소"}[language]).wait_for()  # an example can be replayed before
        page.get_by_role("button", name={"en": "Replay", "ko": "다시 재생"}[language]).wait_for(timeout=400_000)
        settle(page)
    if name == "workshop":
        page.get_by_role("button", name={"en": "Check", "ko": "확인하기"}[language], exact=True).click()
        page.get_by_role("button", name={"en": "Build the model", "ko": "모델 만들기"}[language]).wait_for()
        settle(page)
        page.set_viewport_size({"width": 1280, "height": 2500})
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)  # what the browser still has to load
    page.wait_for_timeout(1500)  # the charts' entrance
    folder = ROOT / "docs" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}-{language}.png")
