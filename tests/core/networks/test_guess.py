"""Which network a state dict belongs to, told from keys and shapes alone."""

import sys
import time

import pytest
import torch

from core.errors import InputError
from core.networks import NETWORKS
from core.networks.build import create, sketch
from core.networks.guess import fit, guess
from core.networks.inputs import categories, usual_preprocessing

FOREIGN = (  # one of each family of torchvision's
    "alexnet convnext_tiny densenet121 efficientnet_b0 efficientnet_v2_l googlenet inception_v3 maxvit_t mnasnet0_5 mobilenet_v2 mobilenet_v3_large "
    "regnet_x_16gf regnet_y_128gf resnet50 shufflenet_v2_x0_5 squeezenet1_1 swin_t swin_v2_b vgg16_bn vit_b_32"
).split()


def state_of(arch, **options):
    return sketch(arch, **options).state_dict()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("arch", [*NETWORKS, *FOREIGN])
def test_a_network_is_told_from_its_keys_and_shapes(arch):
    best = guess(state_of(arch, classes=7))[0]
    assert (best.arch, best.classes, best.exact) == (arch, 7, True)


@pytest.mark.parametrize(
    ("arch", "width", "options"),
    [
        ("cifar_resnet20", 5, {}),
        ("cifar_vgg16_bn", 12, {}),
        ("wrn40_2", 48, {}),
        ("cifar_resnet56", 16, {"depth": 110}),
        ("wrn40_2", 16, {"depth": 16}),
        ("resnext29", 32, {"groups": 4}),
    ],
)
def test_width_and_depth_are_read_off_the_shapes(arch, width, options):
    best = guess(state_of(arch, width=width, classes=3, **options))[0]
    assert (best.arch, best.width, best.options, best.exact) == (arch, width, options, True)


def test_both_stems_that_have_the_same_shapes_are_listed():
    assert [(f.options, f.exact) for f in guess(state_of("cifar_resnet18"))] == [({}, True), ({"stem_padding": 2}, True)]


def test_a_vision_transformer_of_another_size_says_so():
    best = guess(state_of("vit_b_16", image_size=384))[0]
    assert best.exact and best.options == {"image_size": 384}
    assert usual_preprocessing("vit_b_16", **best.options).size == 384 and usual_preprocessing("vit_b_16").size == 224


def test_a_misfit_is_explained_key_by_key():
    state = state_of("resnet18")
    state["stranger"] = state.pop("layer3.0.bn1.bias")
    state["conv1.weight"] = torch.empty(64, 3, 3, 3)
    problems = fit(state, "resnet18").problems
    assert problems == ["conv1.weight is (64, 3, 3, 3), expected (64, 3, 7, 7)", "layer3.0.bn1.bias is missing", "stranger is unknown"]
    best = guess(state)[0]  # a stem for small pictures around torchvision's names: nearer to torchvision's network than to ours
    assert best.arch == "resnet18" and not best.exact and best.problems == problems


def test_keys_of_no_family_are_not_guessed():
    assert guess({"weight": torch.zeros(3, 4)}) == []


def test_a_large_file_is_told_in_seconds():
    state = state_of("efficientnet_b7")
    start = time.process_time()
    assert guess(state)[0].arch == "efficientnet_b7"
    assert time.process_time() - start < 4  # below one second where nothing else runs


def test_a_sketch_has_shapes_and_takes_no_memory():
    network = sketch("regnet_y_128gf")  # 645 M parameters, whose widths are computed as the network is made
    assert all(p.is_meta for p in network.parameters())
    assert sum(p.numel() for p in network.parameters()) == 644_812_894
    assert not any(p.is_meta for p in create("cifar_resnet20", width=4).parameters())


def test_auxiliary_heads_may_be_missing():
    state = {k: v for k, v in state_of("googlenet").items() if not k.startswith("aux")}
    assert guess(state)[0].exact


def test_usual_inputs_are_those_of_the_published_weights():
    found = usual_preprocessing("resnet50")
    assert (found.size, found.resize, found.mean) == (224, 232, (0.485, 0.456, 0.406))
    assert usual_preprocessing("googlenet").mean == (0.5, 0.5, 0.5)  # torchvision's transform_input, written as a preprocessing
    assert usual_preprocessing("cifar_resnet20").size == 32
    assert len(categories("resnet50")) == 1000 and categories("cifar_resnet20") is None


def test_timm_names_work_where_it_is_installed():
    timm = pytest.importorskip("timm")
    state = timm.create_model("resnet18.a1_in1k", num_classes=4).state_dict()
    found = fit(state, "timm:resnet18.a1_in1k")
    assert found.exact and found.classes == 4
    assert guess(state, known=["timm:resnet18", "timm:nothing"])[0].arch == "timm:resnet18"
    assert (usual_preprocessing("timm:vit_tiny_patch16_224").size, usual_preprocessing("timm:vit_tiny_patch16_224").mean) == (224, (0.5, 0.5, 0.5))
    with pytest.raises(InputError, match="no network of timm named 'resnet19'"):
        create("timm:resnet19")


def test_without_timm_one_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match="timm:resnet18 is a network of timm, which is not installed; run pip install -r requirements-timm.txt"):
        create("timm:resnet18")
