"""Tests of the page of corruptions, run without a browser: what it counts is what core says of each picture, one corruption at a time."""

import io
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.corruptions import COMMON, CORRUPTIONS, SEVERITIES, corrupt
from core.images.decode import decode
from core.images.preprocess import stack
from core.images.sources import open_source
from core.packs import list_packs
from dashboard.charts.style import percent
from dashboard.language import LANGUAGES, catalogue
from tests.dashboard.pages import VIEWS, healthy, open_page

PICTURE = "toybox:test/3"  # a fish
DEFAULTS = {"corruption": "gaussian_noise", "severity": 5, "draw": 0, "view": "severity", "curves": "one", "detector": "consensus", "keep": 95.0}
CHOICES = {"corruption": "zoom_blur", "severity": 3, "draw": 7, "view": "corruption", "curves": "groups", "detector": "energy", "keep": 90.0}

pytestmark = pytest.mark.skipif("toybox" not in list_packs(), reason="no pack named toybox: it ships in assets/packs; make packs builds it")


@pytest.fixture(params=LANGUAGES)
def language(request):
    return request.param


def visit(language="en", **query):
    """Open the page by a link and let it run."""
    return open_page("corruptions", language, **{"pack": "toybox", "picture": PICTURE, **query})


def headings(page):
    return [heading.value for heading in page.header]


def texts(page):
    return "\n".join(markdown.value for markdown in page.markdown)


def name_of(language, class_name):
    return catalogue(language).get(f"class.{class_name}", class_name)


def opened(picture_id):
    source, _, index = picture_id.rpartition("/")
    return open_source(source)[int(index)].open()


CHANGED = len(CORRUPTIONS) * len(SEVERITIES)
MEASURED = {}  # {(what the network sees, seed): (cells, Activations)}, which several tests hold the page against


def judged(pack, picture, *, seed=0, detector="consensus", keep=0.95):
    """Judge a picture, clean and under everything, without the code that the page uses. Returns: {(name, severity): Verdict}."""
    seen = stack([pack.preprocessing.see(picture)])
    key = seen.numpy().tobytes(), seed
    if key not in MEASURED:
        images = {("clean", 0): seen}
        for name in CORRUPTIONS:
            for severity in SEVERITIES:
                changed = corrupt(seen.float() / 255, name, severity, generator=torch.Generator().manual_seed(seed))
                images[name, severity] = (255 * changed).round().byte()
        MEASURED[key] = tuple(images), pack.probe(torch.cat(list(images.values())))
    cells, measured = MEASURED[key]
    return dict(zip(cells, pack.judge.judge(measured, pack.classes, detector=detector, keep=keep), strict=True))


def counts(verdicts, expected, severity):
    """Return (answers as expected, others, others that are rejected) at one severity."""
    here = [v for (_, degree), v in verdicts.items() if degree == severity]
    other = [v for v in here if v.class_name != expected]
    return len(here) - len(other), len(other), sum(v.verdict == "OOD" for v in other)


def finding(language, mode, name, severity, kept, fell, noticed):
    """Say the first heading as the catalogue has it."""
    words = catalogue(language)
    how = "all" if not fell else "some" if kept else "none"
    said = words[f"corruptions.{mode}_found_{how}"].format(name=name_of(language, name), n=len(CORRUPTIONS), kept=kept, severity=severity)
    if not fell:
        return said
    of = "none" if not noticed else "all" if noticed == fell else "some"
    return f"{said}. " + words[f"corruptions.{mode}_fell_{'one_' if fell == 1 else ''}{of}"].format(fell=fell, noticed=noticed)


def outcome_table(page):
    """Return {(row, severity): (class, confidence, p-value)} of the map's table, rows counted from the clean picture."""
    frame = next(d.value for d in page.dataframe if len(d.value) == 1 + CHANGED)
    return [tuple(row) for row in frame.itertuples(index=False)]


@pytest.mark.parametrize("severity", [5, 2])
def test_the_finding_counts_what_core_says(language, pack, severity):
    page, verdicts = visit(language, severity=severity), judged(pack, opened(PICTURE))
    assert [title.value for title in page.title] == [catalogue(language)["corruptions.title"]]
    assert headings(page)[0] == finding(language, "truth", "fish", severity, *counts(verdicts, "fish", severity))
    wrong = [v for (_, degree), v in verdicts.items() if degree and v.class_name != "fish"]
    kept = [v for (_, degree), v in verdicts.items() if degree == severity and v.class_name == "fish"]
    words = catalogue(language)
    doubted = sum(v.verdict == "OOD" for v in kept)
    assert words["corruptions.truth_kept_rejected"].format(doubted=doubted, kept=len(kept)) in texts(page)
    assert words["corruptions.truth_overall"].format(wrong=len(wrong), n=CHANGED) in texts(page)
    missed, sure = sum(v.verdict == "ID" for v in wrong), sum(v.confidence >= 0.9 for v in wrong)
    assert words["corruptions.overall_missed"].format(unnoticed=missed, wrong=len(wrong), sure=sure, level=90) in texts(page)


def test_every_row_of_the_table_is_the_verdict_of_core(pack):
    rows, verdicts = outcome_table(visit()), judged(pack, opened(PICTURE))
    assert len(rows) == len(verdicts)
    for row, ((name, severity), v) in zip(rows, verdicts.items(), strict=True):
        assert row[:3] == (catalogue("en")[f"corruption.{name}"], severity, name_of("en", v.class_name))
        assert row[3:5] == (pytest.approx(100 * v.confidence, abs=0.02), pytest.approx(100 * v.p_value, abs=0.06))
        assert row[5] == catalogue("en")[f"word.{v.verdict}"]
        kind = {(True, "ID"): "held", (True, "OOD"): "doubted", (False, "OOD"): "noticed", (False, "ID"): "unnoticed"}[v.class_name == "fish", v.verdict]
        assert row[6].endswith(catalogue("en")[f"corruptions.truth_{kind}"])


def test_another_detector_share_and_seed_decide(pack):
    page = visit(detector="energy", keep=80.0, draw=5)
    verdicts = judged(pack, opened(PICTURE), seed=5, detector="energy", keep=0.8)
    assert headings(page)[0] == finding("en", "truth", "fish", 5, *counts(verdicts, "fish", 5))
    assert [row[5] for row in outcome_table(page)] == [catalogue("en")[f"word.{v.verdict}"] for v in verdicts.values()]


@pytest.mark.parametrize("picture", ["toybox:near/4", "toybox:noise/0"])
def test_without_a_true_class_the_answer_for_the_clean_picture_counts(language, pack, picture):
    page, verdicts = visit(language, picture=picture), judged(pack, opened(picture))
    clean = verdicts["clean", 0]
    assert headings(page)[0] == finding(language, "clean", clean.class_name, 5, *counts(verdicts, clean.class_name, 5))
    words = catalogue(language)
    assert words["corruptions.no_truth"].format(name=name_of(language, clean.class_name)) in texts(page)
    accepted = sum(v.verdict == "ID" for (_, degree), v in verdicts.items() if degree)
    assert (words["corruptions.clean_rejected"].format(accepted=accepted, n=CHANGED) in texts(page)) == (clean.verdict == "OOD")


def test_an_upload_is_compared_with_its_own_clean_answer(language, pack):
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)).save(buffer, "PNG")
    page = visit(language)
    healthy(page.file_uploader(key="files").upload("own.png", buffer.getvalue(), "image/png").run())
    verdicts = judged(pack, decode(buffer.getvalue(), near=32))
    clean = verdicts["clean", 0]
    assert headings(page)[0] == finding(language, "clean", clean.class_name, 5, *counts(verdicts, clean.class_name, 5))
    assert any('open_source("photos")[0]' in code.value for code in page.code)


def test_the_gallery_and_the_curves_say_what_core_says(pack):
    verdicts, words = judged(pack, opened(PICTURE)), catalogue("en")
    page = visit(corruption="zoom_blur", severity=4)
    _, gallery, curves = headings(page)
    least = min((cell for cell in verdicts if cell[1] == 4), key=lambda cell: verdicts[cell].confidence)
    assert words[f"corruption.{least[0]}"] in gallery and f"{percent(verdicts[least].confidence)}\u00a0%" in gallery
    assert f"{percent(verdicts['clean', 0].confidence)} → {percent(verdicts['zoom_blur', 5].confidence)}\u00a0%" in curves
    rejected = ", ".join(str(s) for s in SEVERITIES if verdicts["zoom_blur", s].verdict == "OOD")
    assert words["corruptions.rejected_at"].format(severities=rejected) in texts(page)
    healthy(page.segmented_control(key="view").set_value("corruption").run())
    first = next(s for s in SEVERITIES if verdicts["zoom_blur", s].class_name != "fish")
    assert headings(page)[1] == words["corruptions.truth_falls"].format(corruption="Zoom blur", name="fish", severity=first)
    healthy(page.segmented_control(key="curves").set_value("groups").run())
    blur = [verdicts[name, 5].confidence for name in COMMON[3:7]]
    told = next(d.value for d in page.dataframe if d.value.iloc[0, 0] == "Noise")
    assert told[(told.iloc[:, 0] == "Blur") & (told.iloc[:, 1] == 5)].iloc[0, 2] == pytest.approx(100 * np.mean(blur), abs=0.02)


def test_the_pictures_lead_to_their_cell_and_the_gallery_has_controls_of_its_own():
    page = visit()
    assert sum(button.key.startswith("cell_") for button in page.button) == len(CORRUPTIONS)
    healthy(page.button(key="cell_fog_5").click().run())
    assert page.selectbox(key="corruption").value == "fog" and page.query_params["corruption"] == "fog"
    healthy(page.segmented_control(key="severity_too").set_value(2).run())
    assert page.segmented_control(key="severity").value == 2 and page.query_params["severity"] == "2"
    assert "severity 2" in headings(page)[0]
    healthy(page.segmented_control(key="view").set_value("corruption").run())
    assert [button.key for button in page.button if button.key.startswith("cell_")] == [f"cell_fog_{s}" for s in SEVERITIES]
    healthy(page.selectbox(key="corruption_too").set_value("snow").run())
    assert page.selectbox(key="corruption").value == "snow"
    healthy(page.button(key="cell_snow_4").click().run())
    assert page.segmented_control(key="severity").value == 4 and page.subheader[0].value == "Snow, severity 4"


def values(page):
    widgets = [*page.segmented_control, *page.selectbox, *page.number_input, *page.select_slider]
    return {widget.key: widget.value for widget in widgets if widget.key in DEFAULTS}


def test_a_link_carries_every_choice_in_every_language(language):
    page = visit(language, **CHOICES)
    assert values(page) == CHOICES
    again = AppTest.from_file(page._script_path, default_timeout=300)
    for key, value in page.query_params.items():
        again.query_params[key] = value
    assert values(healthy(again.run())) == CHOICES
    assert headings(again) == headings(page)


def test_nonsense_in_a_link_opens_the_defaults():
    page = visit(corruption="rain", severity="9", draw="-1", view="none", curves="both", detector="oracle", keep="much")
    assert values(page) == DEFAULTS


@pytest.mark.parametrize("picture", ["toybox:test/999999", "nonsense", "data:../../secret/0"])
def test_a_picture_that_is_not_there_gets_a_sentence_and_the_page_teaches(language, picture):
    page = visit(language, picture=picture)
    assert len(page.error) == 1 and not page.header
    assert [box.value for box in page.info] == [catalogue(language)["corruptions.empty"]]


def test_everything_drawn_has_words_for_those_who_do_not_see_it(language):
    page = visit(language)
    charts, tables = page.get("plotly_chart"), page.dataframe
    assert len(charts) == len(tables) == 2
    assert all(element.proto.alt.strip() for element in [*charts, *tables])
    alts = [image.alt for element in page.image for image in element.proto.imgs]
    assert len([alt for alt in alts if alt.strip()]) == len(alts) >= 22
    for name in CORRUPTIONS:
        words = catalogue(language)
        said = words["corruptions.alt"].format(corruption=words[f"corruption.{name}"], severity=5, name=name_of(language, "fish"))
        assert said in alts


@pytest.mark.parametrize("name", LANGUAGES)
def test_every_corruption_has_a_name(name):
    assert all(catalogue(name)[f"corruption.{c}"] for c in ("clean", *CORRUPTIONS))


def test_the_code_computes_what_the_page_shows(pack, capsys):
    page, verdicts = visit(detector="energy", keep=90.0, draw=3), judged(pack, opened(PICTURE), seed=3, detector="energy", keep=0.9)
    exec(page.code[0].value, {})
    said = [line.split()[:3] for line in capsys.readouterr().out.splitlines()]
    assert said == [[name, str(severity), v.class_name] for (name, severity), v in verdicts.items()]
    assert page.code[1].value.splitlines()[0] == (
        "python -m core corrupt --images toybox:test --corruption gaussian_noise --severity 5 --seed 3 --out gaussian_noise-5.parquet"
    )


def test_torchvision_waits_until_a_picture_is_corrupted():
    """JPEG takes seconds to import: the page has its title, its model and its pictures before."""
    link = {"lang": "en", "pack": "toybox", "picture": "toybox:test/999999"}  # nothing to corrupt
    program = f"""
import sys
from streamlit.testing.v1 import AppTest
page = AppTest.from_file({str(VIEWS / "corruptions.py")!r}, default_timeout=300)
for key, value in {link}.items():
    page.query_params[key] = value
page.run()
print([title.value for title in page.title], len(page.error), [m for m in ("torch", "torchvision") if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=VIEWS.parents[1], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == f"{[catalogue('en')['corruptions.title']]} 1 ['torch']"


def strip_of_three():
    from dashboard.parts.corrupted import strip

    strip("toybox", "toybox:test/3", ("fog", "snow", "contrast"), 4, seed=1)


def test_the_strip_shows_the_clean_picture_and_each_corruption(language):
    page = AppTest.from_function(strip_of_three, default_timeout=300)
    page.query_params["lang"] = language
    healthy(page.run())
    shown = [image for element in page.image for image in element.proto.imgs]
    words = catalogue(language)
    assert [image.caption for image in shown] == [words[f"corruption.{name}"] for name in ("clean", "fog", "snow", "contrast")]
    assert all(name_of(language, "fish") in image.alt for image in shown) and len({image.alt for image in shown}) == 4
