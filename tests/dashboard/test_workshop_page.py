"""The workshop: its three steps, their words in both languages, and what happens to what does not fit."""

import io

import numpy as np
import pytest
import torch
from safetensors.torch import save

from core.packs import SHIPPED, describe, list_packs, own_folder
from core.packs.new import Order, new_pack
from dashboard import compute, making
from tests.dashboard.pages import healthy, open_page
from tests.waiting import end_all

pytestmark = pytest.mark.skipif("toybox" not in list_packs(), reason="no pack named toybox: it ships in assets/packs; make packs builds it")
STEPS = {"en": ["1 · Which network?", "2 · Which pictures does it know?"], "ko": ["1 · 어떤 신경망인가요?", "2 · 어떤 그림을 아나요?"]}


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    """Keep what is made in a folder of the test's own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("BLOCKSCOPE_ROOTS", raising=False)
    monkeypatch.delenv("BLOCKSCOPE_DATA", raising=False)
    making.builds.clear()
    yield tmp_path
    end_all(making.builds())
    making.builds.clear()


def click(page, key):
    return healthy(page.button(key=key).click().run())


def checked(page):
    """Let a page check its order, and see what came of it."""
    click(page, "workshop_check")
    page.session_state["workshop_job"][1].wait(120)
    return healthy(page.run())


def headers(page):
    return [h.value for h in page.header]


def upload(page, key, name, data):
    page.file_uploader(key=key).upload(name, data, "application/octet-stream")
    return healthy(page.run())


def array_of(n=30, classes=10):
    buffer = io.BytesIO()
    np.savez(buffer, images=np.random.default_rng(0).integers(0, 256, (n, 32, 32, 3), dtype=np.uint8), labels=np.arange(n) % classes)
    return buffer.getvalue()


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_steps_are_told_and_the_example_is_there(language):
    page = open_page("workshop", language)
    assert headers(page)[:2] == STEPS[language] and not page.error
    assert any("ResNet-18" in s.value for s in page.success) and any("2,000" in s.value for s in page.success)
    assert "workshop_build" not in {b.key for b in page.button}


def test_the_example_becomes_a_model():
    page = checked(open_page("workshop", workshop_limit=300))
    assert "100.0" in headers(page)[2] and "500" in headers(page)[2]
    assert not page.warning
    click(page, "workshop_build")
    (name,) = page.session_state["builds"]
    making.builds().find(name).job.wait(120)
    healthy(page.run())
    facts = describe(own_folder() / name).facts
    assert facts["selection"]["selected"] in page.subheader[0].value
    table = page.dataframe[-1].value
    assert list(table.iloc[:, 1]) == [each["auroc"] for each in facts["figures"]["consensus"].values()]
    assert page.query_params["build"] in (name, [name])
    click(page, f"own_{name}_use")
    assert page.selectbox(key="pack").value == name and facts["title"] in page.selectbox(key="pack").options
    again = open_page("workshop", build=name)  # whoever has the link
    assert again.subheader[0].value == page.subheader[0].value
    click(again, f"own_{name}_remove")
    assert not again.subheader and not (own_folder() / name).exists()


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """Return the folder of one's own files, among whose packs is one of pictures without labels."""
    folder = tmp_path_factory.mktemp("bare")
    np.savez(folder / "bare.npz", images=np.load(io.BytesIO(array_of(60)))["images"])
    order = Order(SHIPPED / "toybox" / "weights.safetensors", "cifar_resnet18", str(folder / "bare.npz"), title="Bare")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(folder))
        assert new_pack(order, own_folder() / "bare")["accuracy"] is None
    return folder


@pytest.mark.parametrize("view", ["verdict", "blocks", "detector", "confidence", "corruptions"])
def test_a_model_without_labels_serves_every_page(view, bare, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(bare))
    monkeypatch.setattr(compute, "RESAMPLES", 20)
    page = open_page(view, pack="bare")
    assert page.selectbox(key="pack").value == "bare" and not page.error


def test_what_does_not_fit_is_said_key_by_key():
    page = open_page("workshop", weights_from="upload")
    upload(page, "workshop_weights", "net.safetensors", save({"conv1.weight": torch.zeros(16, 3, 3, 3), "layer1.0.conv1.weight": torch.zeros(16, 16, 3, 3)}))
    assert "keys differ" in page.error[0].value
    assert "is missing" in page.dataframe[0].value.iloc[0, 0]
    assert page.info and "workshop_check" not in {b.key for b in page.button}


@pytest.mark.parametrize(("name", "data"), [("net.pt", b"no weights"), ("net.safetensors", b"\0" * 50)])
def test_damaged_weights_get_a_sentence(name, data):
    page = upload(open_page("workshop", "ko", weights_from="upload"), "workshop_weights", name, data)
    assert len(page.error) == 1 and name in page.error[0].value and not page.error[0].value.isascii()


def test_wrong_pictures_are_warned_of_before_any_number():
    page = open_page("workshop", pictures_from="upload")
    upload(page, "workshop_pictures", "noise.npz", array_of())
    checked(page)
    assert "no OOD number would mean anything" in page.warning[0].value
    assert page.button(key="workshop_build").disabled
    healthy(page.checkbox(key="workshop_anyway").check().run())
    assert not page.button(key="workshop_build").disabled


def test_names_of_classes_are_counted():
    page = open_page("workshop")
    field = next(box for box in page.text_input if box.label.startswith("Names of the 10 classes"))
    healthy(field.set_value("cat, dog").run())
    assert "These are 2 names, but the network has 10 outputs" in page.error[0].value
    assert "workshop_check" not in {b.key for b in page.button}


def test_a_change_of_the_order_asks_for_a_new_check():
    page = checked(open_page("workshop"))
    assert "workshop_build" in {b.key for b in page.button}
    box = next(box for box in page.selectbox if box.label == "Normalisation")
    healthy(box.set_value("half").run())
    assert headers(page)[2] == "3 · Does it recognise what it knows?" and "workshop_build" not in {b.key for b in page.button}


def test_paths_are_offered_where_folders_may_be_read(monkeypatch, tmp_path):
    assert "On this machine" not in open_page("workshop").segmented_control(key="weights_from").options
    monkeypatch.setenv("BLOCKSCOPE_ROOTS", str(tmp_path / "models"))
    page = open_page("workshop", weights_from="path")
    healthy(page.text_input(key="weights_path").set_value("/etc/passwd").run())
    assert "no folder that may be read" in page.error[0].value
    healthy(page.text_input(key="weights_path").set_value(str(tmp_path / "models" / "net.pt")).run())
    assert "no file" in page.error[0].value


def test_published_weights_need_only_a_name():
    page = open_page("workshop", weights_from="torchvision")
    assert page.selectbox(key="workshop_published").value == "resnet50" and not page.error
