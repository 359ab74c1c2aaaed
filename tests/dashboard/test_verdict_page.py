"""Tests of the start page, run without a browser: what it says is what core says."""

import io
import re
import shutil

import numpy as np
import pytest
from PIL import Image

import core.packs
from core.errors import InputError
from core.images.sources import open_source
from core.limits import limits
from core.packs import list_packs
from dashboard.charts.style import percent
from dashboard.language import LANGUAGES, catalogue
from dashboard.parts.picker import SHOWN
from dashboard.session import pictures
from tests.dashboard.pages import healthy, open_page

KEPT = limits().pictures

pytestmark = pytest.mark.skipif("toybox" not in list_packs(), reason="no pack named toybox: it ships in assets/packs; make packs builds it")


@pytest.fixture(params=LANGUAGES)
def language(request):
    return request.param


def visit(language="en", **query):
    """Open the page by a link and let it run."""
    return open_page("verdict", language, **{"pack": "toybox", **query})


def words(language, key, **values):
    return catalogue(language)[key].format(**values)


def class_name(language, name):
    return catalogue(language).get(f"class.{name}", name)


def explained(language, error):
    values = {name: catalogue(language).get(f"error.kind.{value}", value) for name, value in error.values.items()}
    return str(error) if language == "en" else catalogue(language)[f"error.{error.key}"].format(**values)


def toy(spec):
    source, _, index = spec.rpartition("/")
    return open_source(source)[int(index)].open()


def boxes(page):
    """Return the verdicts on the page: the text of each green or yellow box."""
    return [box.value.strip("*") for box in [*page.success, *page.warning]]


def expected_box(language, verdict):
    return words(language, f"verdict.says_{verdict.verdict}", name=class_name(language, verdict.class_name))


def texts(page):
    """Return all running text without its emphasis, every space an ordinary one."""
    return " ".join(m.value for m in page.markdown).replace("\N{NO-BREAK SPACE}", " ").replace("**", "")


def p_value(verdict):
    """Return a p-value in percent, as the page writes it: never as 0."""
    return f"{100 * verdict.p_value:.2g}" if verdict.p_value < 0.001 else f"{100 * verdict.p_value:.1f}"


def alts(page):
    return [drawn.alt for image in page.image for drawn in image.proto.imgs]


def table(page, key):
    """Return the data of a chart's table by the key of the chart."""
    names = {"score_chart": "word.threshold", "agreement_chart": "word.detector", "classes_chart": "word.class", "blocks_chart": "word.block"}
    columns = {catalogue(language)[names[key]] for language in LANGUAGES}
    return next(d.value for d in page.dataframe if columns & set(d.value.columns[: 3 if key == "score_chart" else 1]))


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def noise(seed, side=64):
    return png(np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8))


@pytest.mark.parametrize("spec", ["toybox:test/3", "toybox:noise/0"])
def test_the_verdict_is_that_of_core(language, pack, spec):
    page, verdict = visit(language, picture=spec), pack.verdict(toy(spec))
    assert [title.value for title in page.title] == [words(language, "verdict.title")]
    assert boxes(page) == [expected_box(language, verdict)]
    assert f"{p_value(verdict)} %" in texts(page)
    assert f"{percent(verdict.confidence)} %".replace("\N{NO-BREAK SPACE}", " ") in texts(page)
    top = table(page, "classes_chart").iloc[0].tolist()
    assert top == [class_name(language, verdict.class_name), pytest.approx(100 * verdict.confidence, abs=1e-3)]
    scores = table(page, "agreement_chart").iloc[:, 1].tolist()
    assert scores == pytest.approx([opinion.score for opinion in verdict.opinions.values()])
    assert words(language, "report.button") in [button.proto.label for button in page.get("download_button")]


def test_keep_moves_the_threshold(language, pack):
    page = visit(language, picture="toybox:test/3")
    for keep in (95.0, 80.0, 99.5):
        healthy(page.select_slider(key="keep").set_value(keep).run())
        verdict = pack.verdict(toy("toybox:test/3"), keep=keep / 100)
        assert table(page, "score_chart").iloc[0, 2] == pytest.approx(verdict.threshold)
        assert boxes(page) == [expected_box(language, verdict)]
        assert f"{100 - keep:g} %" in texts(page)


@pytest.mark.parametrize("detector", ["featurenorm", "energy", "knn"])
def test_another_detector_decides(language, pack, detector):
    page = visit(language, picture="toybox:textures/0")
    healthy(page.selectbox(key="detector").set_value(detector).run())
    verdict = pack.verdict(toy("toybox:textures/0"), detector=detector)
    assert boxes(page) == [expected_box(language, verdict)]
    assert table(page, "score_chart").iloc[0, 1:3].tolist() == pytest.approx([verdict.score, verdict.threshold])
    assert f"{p_value(verdict)} %" in texts(page)


@pytest.mark.parametrize("detector", ["energy", "mahalanobis_middle"])
def test_a_link_names_the_detector_in_every_language(language, pack, detector):
    page = visit(language, picture="toybox:test/3", detector=detector)
    assert page.selectbox(key="detector").value == detector
    assert table(page, "score_chart").iloc[0, 1] == pytest.approx(pack.verdict(toy("toybox:test/3"), detector=detector).score)


def test_an_upload_is_judged_as_core_judges_it(language, pack):
    page, data = visit(language), noise(1)
    healthy(page.file_uploader(key="files").upload("own.png", data, "image/png").run())
    verdict = pack.verdict(data)
    assert boxes(page) == [expected_box(language, verdict)]
    assert f"{p_value(verdict)} %" in texts(page)
    assert words(language, "verdict.alt_picture", name="own.png") in alts(page)


def test_a_picture_is_called_by_a_name_and_not_by_its_id(language):
    page = visit(language, picture="toybox:test/3")
    captions = [drawn.caption for image in page.image for drawn in image.proto.imgs]
    assert words(language, "verdict.truth", name=class_name(language, "fish")) in captions
    assert words(language, "verdict.alt_picture", name=class_name(language, "fish")) in alts(page)
    assert not [text for text in (*captions, *alts(page)) if "toybox:" in text]


def test_an_upload_that_a_reload_lost_is_told_until_another_picture_is_chosen(language):
    page, told = visit(language), words(language, "frame.lost", page=words(language, "verdict.page"))
    healthy(page.file_uploader(key="files").upload("own.png", noise(1), "image/png").run())
    assert page.query_params["picture"] == pictures.BROUGHT and not page.info
    for name in ("verdict", "blocks", "confidence", "tour"):
        page = open_page(name, language, pack="toybox", picture=pictures.BROUGHT)  # a reload: the link and a new session
        assert [info.value for info in page.info] == [told]
    page = visit(language, picture=pictures.BROUGHT)
    healthy(page.run())
    assert [info.value for info in page.info] == [told], "what Streamlit runs again says it still"
    healthy(page.button(key="pick_toybox:test/3").click().run())
    assert not page.info and page.query_params["picture"] == "toybox:test/3"


@pytest.mark.skipif("cifar10" not in list_packs(), reason="no pack named cifar10: it ships in assets/packs; make packs builds it")
def test_that_photos_go_to_the_model_made_for_them_is_told_until_a_model_is_chosen(language):
    page, told = open_page("verdict", language), words(language, "picker.switched")
    for n in (1, 2):
        healthy(page.file_uploader(key="files").upload(f"own{n}.png", noise(n), "image/png").run())
        assert page.selectbox(key="pack").value == "cifar10" and told in [caption.value for caption in page.caption]
    healthy(page.run())
    assert told in [caption.value for caption in page.caption]
    healthy(page.selectbox(key="pack").set_value("toybox").run())
    assert told not in [caption.value for caption in page.caption]


@pytest.mark.parametrize(
    ("name", "data"),
    [("letter.png", b"Dear model, this is only text.\n"), ("empty.png", b""), ("cut.png", noise(0)[:300]), ("**bold** [x](y).png", b"GIF89a")],
    ids=["text", "empty", "cut", "markdown"],
)
def test_what_cannot_be_read_gets_one_sentence(language, pack, name, data):
    with pytest.raises(InputError) as caught:
        pack.verdict(data)
    page = visit(language)
    healthy(page.file_uploader(key="files").upload(name, data, "image/png").run())
    assert len(page.error) == 1
    said = page.error[0].value
    assert said.endswith(explained(language, caught.value))
    assert re.sub(r"\\", "", said).startswith(f"**{name}**")
    assert len(boxes(page)) == 1, "the picture of the gallery is still judged"


def test_too_many_files_are_told_in_one_sentence_and_the_first_are_taken(language):
    page = visit(language)
    files = [(f"{i}.png", b"\x89PNG\r\n\x1a\n" + bytes([i % 256]), "image/png") for i in range(KEPT + 50)]
    healthy(page.file_uploader(key="files").set_value(files).run())
    told = words(language, "picker.too_many", n=KEPT + 50, taken=KEPT, most=KEPT, size=limits().person_mb)
    assert [box.value for box in page.warning].count(told) == 1
    assert len(page.error) == SHOWN + 1 and page.error[SHOWN].value == words(language, "picker.more_unreadable", n=KEPT - SHOWN)


def test_many_uploads_make_a_table(language, pack):
    page, data = visit(language), [noise(seed) for seed in range(3)]
    uploader = page.file_uploader(key="files")
    uploader.set_value([(f"{i}.png", d, "image/png") for i, d in enumerate(data)])
    healthy(page.run())
    listed = next(d.value for d in page.dataframe if words(language, "word.file") in d.value.columns)
    verdicts = [pack.verdict(d) for d in data]
    assert listed[words(language, "word.file")].tolist() == ["0.png", "1.png", "2.png"]
    assert listed[words(language, "word.score")].tolist() == pytest.approx([v.score for v in verdicts])
    assert listed[words(language, "word.class")].tolist() == [class_name(language, v.class_name) for v in verdicts]
    unknown = sum(v.verdict == "OOD" for v in verdicts)
    assert words(language, "verdict.many_title", n=3, ood=unknown) in [s.value for s in page.header]


def test_what_was_brought_before_is_a_click_away(language, pack):
    page, data = visit(language), [noise(seed) for seed in range(2)]
    healthy(page.file_uploader(key="files").set_value([(f"{i}.png", d, "image/png") for i, d in enumerate(data)]).run())
    assert words(language, "picker.before") not in [c.value for c in page.caption]
    healthy(page.file_uploader(key="files").clear().run())  # as when the page is left
    assert words(language, "picker.before") in [c.value for c in page.caption]
    healthy(next(b for b in page.button if b.label == "1.png").click().run())
    assert boxes(page) == [expected_box(language, pack.verdict(data[1]))]


def test_everything_drawn_has_words_for_those_who_do_not_see_it(language):
    page = visit(language, picture="toybox:textures/0")
    charts = page.get("plotly_chart")
    assert len(alts(page)) > 10 and len(charts) == 4
    assert all(alt.strip() for alt in alts(page))
    assert not [chart for chart in charts if not chart.proto.alt.strip()]
    assert not [d for d in page.dataframe if not d.proto.alt.strip()]


@pytest.mark.parametrize(
    "query",
    [{"picture": "toybox:test/999999"}, {"picture": "nonsense"}, {"picture": "data:../../secret/0"}, {"pinned": "toybox:nowhere/1"}],
    ids=lambda query: next(iter(query.values())),
)
def test_a_link_to_nothing_is_answered(language, query):
    assert len(visit(language, **query).error) == 1


@pytest.mark.parametrize(
    "query", [{"keep": "a lot"}, {"picture": "upload:0123456789abcdef"}, {"detector": "oracle"}, {"pack": "nowhere"}, {"lang": "xx"}], ids=str
)
def test_nonsense_in_a_link_falls_back(query):
    assert len(boxes(visit(**query))) == 1


def test_without_any_pack_the_page_says_what_to_do(monkeypatch, tmp_path, language):
    monkeypatch.setattr(core.packs, "SHIPPED", tmp_path)
    monkeypatch.delenv("BLOCKSCOPE_PACKS", raising=False)
    page = visit(language)
    assert [e.value for e in page.error] == [words(language, "frame.no_pack")]


def test_a_damaged_pack_is_answered_by_a_sentence(monkeypatch, tmp_path):
    shutil.copytree(core.packs.describe("toybox").folder, tmp_path / "toybox", copy_function=shutil.copyfile)
    weights = tmp_path / "toybox" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    monkeypatch.setattr(core.packs, "SHIPPED", tmp_path)
    page = visit()
    assert len(page.error) == 1 and re.search("toybox|weights.safetensors", page.error[0].value)
