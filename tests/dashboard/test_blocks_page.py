"""Tests of the page of blocks, run without a browser: what it says is what core says, and its controls do what they say."""

import numpy as np
import pytest
import torch

from core.conformal import threshold_at
from core.images.preprocess import stack
from core.images.sources import open_source
from core.jigsaw import jigsaw
from core.packs import list_packs
from dashboard.language import LANGUAGES, catalogue
from tests.dashboard.pages import healthy, open_page

PICTURE = "toybox:test/3"

pytestmark = pytest.mark.skipif("toybox" not in list_packs(), reason="no pack named toybox: it ships in assets/packs; make packs builds it")


def visit(language="en", **query):
    """Open the page by a link and let it run."""
    return open_page("blocks", language, **{"pack": "toybox", "picture": PICTURE, **query})


def headings(page):
    return [heading.value for heading in page.header]


def passing(pack, block, name="jigsaw"):
    """Count slowly: percent of a set above the threshold that keeps 95 % of held-out known pictures."""
    k, reference = pack.selection.blocks.index(block), pack.reference
    threshold = threshold_at(reference.held_out.norms[:, k].double(), 0.95)
    norms = reference.unknown[name].norms[:, k].tolist()
    return f"{100 * sum(norm > threshold for norm in norms) / len(norms):.1f}"


def strongest(pack, *, tiles, seed):
    """Return (block, ratio) of the highest norm(picture) / norm(its puzzle)."""
    source, _, index = PICTURE.rpartition("/")
    seen = stack([pack.preprocessing.see(open_source(source)[int(index)].open())])
    puzzle = jigsaw(seen, generator=torch.Generator().manual_seed(seed), tiles=tiles, border=pack.selection.border)
    ratios = (pack.probe(seen).norms[0] / pack.probe(puzzle).norms[0]).numpy()
    return pack.selection.blocks[ratios.argmax()], f"{ratios.max():.2f}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_findings_are_those_of_core(language, pack):
    page, selection, words = visit(language), pack.selection, catalogue(language)
    assert [title.value for title in page.title] == [words["blocks.title"]]
    found, over, played = headings(page)
    assert selection.selected in found
    assert f"{max(selection.norm_ratio):.2f}" in found
    for block in {selection.selected, selection.blocks[-1]}:
        assert f"{passing(pack, block)}\u00a0%" in over
    assert all(word in played for word in strongest(pack, tiles=3, seed=0))
    votes = np.array(selection.by_permutation).argmax(1)
    same = int((votes == selection.blocks.index(selection.selected)).sum())
    sentence = words["blocks.votes"].format(same=same, n=len(votes), block=selection.selected)
    assert any(markdown.value.startswith(sentence) for markdown in page.markdown)
    table = page.dataframe[0].value
    assert table.iloc[:, 0].tolist() == list(selection.blocks)
    assert table.iloc[:, 1].tolist() == pytest.approx(selection.norm_ratio, abs=1e-4)


def test_every_picture_and_chart_has_a_text(pack):
    page = visit()
    charts, tables = page.get("plotly_chart"), page.dataframe
    assert len(charts) == len(tables) == 2 + len({pack.selection.selected, pack.selection.blocks[-1]})
    alts = [element.proto.alt for element in [*charts, *tables]] + [image.alt for element in page.image for image in element.proto.imgs]
    assert len(page.image) == 8
    assert all(alts)
    assert not [alt for alt in alts if "*" in alt]


def test_controls_do_what_they_say(pack):
    page, selection = visit(), pack.selection
    other = next(b for b in selection.blocks if b not in (selection.selected, selection.blocks[-1]))
    healthy(page.selectbox(key="block").set_value(other).run())
    assert other in headings(page)[1]
    assert f"{passing(pack, other)}\u00a0%" in headings(page)[1]
    ood = [name for name in pack.reference.unknown if name != "jigsaw"][-1]
    healthy(page.selectbox(key="ood").set_value(ood).run())
    assert any(f"{passing(pack, other, ood)}\u00a0%" in markdown.value for markdown in page.markdown)
    healthy(page.segmented_control(key="sort").set_value("ratio").run())
    assert page.dataframe[0].value.iloc[:, 1].is_monotonic_decreasing
    healthy(page.segmented_control(key="tiles").set_value(4).run())
    assert all(word in headings(page)[2] for word in strongest(pack, tiles=4, seed=0))
    again = next(button for button in page.button if button.label == catalogue("en")["blocks.again"])
    healthy(again.click().run())
    assert page.number_input(key="seed").value == 1
    assert all(word in headings(page)[2] for word in strongest(pack, tiles=4, seed=1))


def test_a_link_means_the_same_in_every_language(pack):
    block = pack.selection.blocks[0]
    page = visit("ko", sort="ratio", block=block, tiles="4", seed="7", ood="noise")
    assert page.segmented_control(key="sort").value == "ratio"
    assert [page.selectbox(key=key).value for key in ("block", "ood")] == [block, "noise"]
    assert (page.segmented_control(key="tiles").value, page.number_input(key="seed").value) == (4, 7)
    assert all(word in headings(page)[2] for word in strongest(pack, tiles=4, seed=7))


def test_a_link_with_nonsense_opens_the_defaults(pack):
    page = visit(sort="alphabet", block="no.such.block", tiles="1", seed="-3", ood="nothing")
    assert page.selectbox(key="block").value == pack.selection.selected
    assert (page.segmented_control(key="sort").value, page.segmented_control(key="tiles").value) == ("depth", 3)
    assert page.number_input(key="seed").value == 0


def test_a_picture_that_is_not_there_gets_a_sentence():
    page = visit(picture="toybox:nowhere/1")
    assert len(page.error) == 1
    assert len(headings(page)) == 2
