"""What is gathered is what the library says when it is asked directly: known, unknown and noise."""

import dataclasses

import numpy as np
import pytest
import torch

from core.calibration import confidence_of
from core.errors import InputError
from core.explanation import explain
from core.explanation.common import norm_of
from core.explanation.explained import ORDERS, STEPS
from core.explanation.faithfulness import area, deletion, insertion, probability_of, random_maps
from core.images.item import Item
from core.images.preprocess import stack
from core.images.sources import open_source
from core.packs import list_packs
from core.report.facts import gather
from core.report.page import page
from core.report.sentences import sentences
from core.words import LANGUAGES
from tests.core.report.reading import check, value_of

pytestmark = pytest.mark.skipif("toybox" not in list_packs(), reason="no pack named toybox: it ships in assets/packs; make packs builds it")
PICTURES = {"known": ("toybox:test", 3), "unknown": ("toybox:near", 4), "noise": ("noise:uniform", 0)}


@pytest.fixture(scope="module")
def gathered(pack, trust):
    methods = {"known": ("norm_occlusion",), "unknown": ("gradcam",), "noise": ()}
    items = {name: open_source(source)[i] for name, (source, i) in PICTURES.items()}
    return {name: (gather(pack, item, keep=0.9, methods=methods[name], trust=trust), item) for name, item in items.items()}


@pytest.mark.parametrize("name", PICTURES)
def test_facts_are_those_of_the_verdict(pack, trust, gathered, name):
    facts, item = gathered[name]
    verdict, measured = pack.verdict(item.open(), keep=0.9), pack.probe(stack([pack.preprocessing.see(item.open())]))
    for field in ("class_name", "confidence", "detector", "verdict", "score", "threshold", "p_value", "members", "opinions", "block"):
        assert getattr(facts, field) == getattr(verdict, field)
    assert facts.runner_up_confidence == sorted(verdict.probabilities)[-2] == verdict.probabilities[pack.classes.index(facts.runner_up)]
    known = pack.reference.held_out.norm(facts.block).numpy()
    assert facts.norm_higher == sum(n >= facts.norm for n in known.tolist()) / len(known)
    assert facts.same == round(verdict.agreement * facts.single)
    assert facts.hand_off.calibrated == pytest.approx(confidence_of(measured.logits.numpy(), trust.temperature)[0])
    assert facts.hand_off.p_both == trust.judged(measured).scores["both"][0]
    assert facts.hand_off.p_least == trust.rule("both", risk=0.01, share=0.05).threshold


@pytest.mark.parametrize("name", ["known", "unknown"])
def test_a_map_is_held_against_random_orders(pack, gathered, name):
    facts, item = gathered[name]
    one = facts.maps[0]
    image = pack.preprocessing.normalise(stack([pack.preprocessing.see(item.open())]))
    values = explain(one.method, pack.network, image, block=one.block)
    assert np.array_equal(one.values, values[0].numpy())
    assert one.values[one.peak[1], one.peak[0]] == one.values.max() and one.values[one.trough[1], one.trough[0]] == one.values.min()
    measure = norm_of(pack.network, one.block) if one.block else probability_of(pack.network, torch.tensor([pack.classes.index(facts.class_name)]))
    found = one.deletion, one.insertion
    assert found == pytest.approx([area(way(measure, image, values, steps=STEPS)).item() for way in (deletion, insertion)], rel=1e-4)
    first = random_maps(image.expand(ORDERS, -1, -1, -1), generator=torch.Generator().manual_seed(0))[:1]
    assert one.random_deletion <= area(deletion(measure, image, first, steps=STEPS)).item() + 1e-5
    assert one.random_insertion >= area(insertion(measure, image, first, steps=STEPS)).item() - 1e-5


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", PICTURES)
def test_every_number_in_every_sentence_is_the_fact_that_it_names(gathered, name, language):
    facts, item = gathered[name]
    told = sentences(facts, language)
    assert told[0].key == ("headline.known" if name == "known" else "headline.unknown")
    for sentence in told:
        check(sentence, language)
        assert sentence.values == {figure: value_of(facts, figure) for figure in sentence.values}
    assert len(page(facts, item, language).encode()) < 200_000


def test_a_large_input_is_held_against_fewer_orders_in_fewer_steps(monkeypatch, pack, trust, gathered):
    monkeypatch.setattr("core.explanation.explained.SMALL", 16)
    facts = gather(pack, gathered["unknown"][1], methods=("gradcam",), trust=trust)
    one, image = facts.maps[0], pack.preprocessing.normalise(stack([facts.seen]))
    measure = probability_of(pack.network, torch.tensor([pack.classes.index(facts.class_name)]))
    assert (facts.orders, facts.steps) == (3, 8)
    assert one.deletion == pytest.approx(area(deletion(measure, image, torch.from_numpy(one.values)[None], steps=8)).item(), rel=1e-4)
    check(sentences(facts, "en")[-1], "en")


def test_what_a_pack_cannot_tell_is_left_out(pack, gathered):
    unlabelled = dataclasses.replace(pack.reference, held_out_labels=torch.full_like(pack.reference.held_out_labels, -1))
    facts = gather(dataclasses.replace(pack, reference=unlabelled), gathered["noise"][1], methods=())
    assert facts.hand_off is None and "handoff.untold" in [s.key for s in sentences(facts, "ko")]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"methods": ("magic",)}, "There is no explanation named 'magic'"),
        ({"detector": "oracle"}, "There is no detector named 'oracle'"),
        ({"risk": 1.5}, "The risk is 150 %"),
        ({"keep": 1.0}, "The share of known pictures to keep is 1.0"),
    ],
)
def test_what_cannot_be_asked_is_an_input_error(pack, trust, gathered, given, sentence):
    with pytest.raises(InputError, match=sentence):
        gather(pack, gathered["known"][1], trust=trust, **{"methods": (), **given})


@pytest.mark.parametrize("data", [b"", b"Dear model, this is only text.\n", b"\x89PNG\r\n\x1a\n broken"], ids=["empty", "text", "cut"])
def test_a_picture_that_cannot_be_read_is_an_input_error(pack, data):
    with pytest.raises(InputError) as caught:
        gather(pack, Item("x.png", data))
    assert caught.value.key.startswith("picture.")
