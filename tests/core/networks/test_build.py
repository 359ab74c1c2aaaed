"""Networks by name, and weights from wherever they come."""

import copy

import pytest
import torch
from safetensors.torch import save_file

from core.errors import InputError
from core.networks import NETWORKS
from core.networks.build import create, known_names, load, read_state
from core.networks.guess import guess
from core.probe import probe
from tests.soak.weights import REFUSED, SENTINEL, UNFIT

NARROW = {arch: 64 if arch == "resnext29" else 4 for arch in NETWORKS}  # 32 groups of at least one channel each


def outputs(network, images):
    with torch.no_grad():
        return network.eval()(images)


@pytest.mark.parametrize("arch", NETWORKS)
def test_own_networks_give_as_many_logits_as_classes(arch, pictures):
    network = create(arch, classes=7, width=NARROW[arch])
    logits = outputs(network, pictures[:2])
    assert logits.shape == (2, 7) and torch.isfinite(logits).all() and not network.training
    assert not torch.allclose(logits[0], logits[1])  # the picture reaches the logits
    head = network.linear.in_features
    stages = {"cifar_resnet18": 8, "cifar_resnet34": 8}.get(arch, 8 if "vgg" in arch else 4)
    assert head == stages * NARROW[arch]


@pytest.mark.parametrize(
    ("arch", "parameters"),
    # He et al. give 0.27, 0.46, 0.66 and 0.85 M; Zagoruyko & Komodakis 36.5 M and 2.2 M; Xie et al. 4.8 M (32x4d: CIFAR-10 forks)
    [("cifar_resnet20", 0.27), ("cifar_resnet32", 0.46), ("cifar_resnet44", 0.66), ("cifar_resnet56", 0.85), ("wrn28_10", 36.5), ("wrn40_2", 2.2)],
)
def test_own_networks_are_as_large_as_their_papers_say(arch, parameters):
    with torch.device("meta"):
        count = sum(p.numel() for p in create(arch).parameters()) / 1e6
    assert count == pytest.approx(parameters, rel=0.02)


@pytest.mark.parametrize(("options", "side"), [({}, 32), ({"stem_padding": 2}, 34)])
def test_the_authors_stem_pads_by_two(options, side, pictures, tiny):
    network, sides = tiny("cifar_resnet18", **options), []
    network.layer1.register_forward_hook(lambda _, inputs, output: sides.append(output.shape[-1]))
    outputs(network, pictures)
    assert sides == [side]


def test_a_shortcut_by_padding_keeps_every_second_pixel():
    shortcut = create("cifar_resnet20", width=4).layer2[0].shortcut
    x = torch.arange(1.0, 65).reshape(1, 4, 4, 4)
    assert torch.equal(shortcut(x)[:, 2:6], x[:, :, ::2, ::2])
    assert shortcut(x).shape == (1, 8, 2, 2) and not shortcut(x)[:, [0, 1, 6, 7]].any()


def test_torchvision_classifiers_are_known_by_name():
    names = known_names()
    assert names[: len(NETWORKS)] == list(NETWORKS) and {"resnet50", "vit_b_16", "swin_t"} <= set(names)
    with torch.device("meta"):
        assert create("resnet18").fc.out_features == 1000 and create("resnet18", classes=4).fc.out_features == 4


def test_names_and_options_are_checked():
    with pytest.raises(InputError, match="no architecture named 'resnet57'; the known ones are .*cifar_resnet56.*resnet18"):
        create("resnet57")
    with pytest.raises(InputError, match="resnet18 is a torchvision network and takes no width"):
        create("resnet18", width=8)
    with pytest.raises(InputError, match="cifar_resnet56 cannot be made with width None and options {'stem_padding': 2}"):
        create("cifar_resnet56", stem_padding=2)
    with pytest.raises(InputError, match="resnext29 cannot be made with width 48"):
        create("resnext29", width=48)


@pytest.mark.parametrize("options", [{"width": -4}, {"depth": 99}])
def test_impossible_sizes_are_explained(options):
    with pytest.raises(InputError, match="cannot be made"):
        create("cifar_resnet18", **options)


@pytest.fixture
def trained(tiny):
    return tiny(classes=5)


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model_state_dict", "model", "net", "ema", "teacher"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "model.", "module._orig_mod."])
def test_wrappers_and_prefixes_are_undone(trained, tmp_path, wrapper, prefix):
    state = {prefix + k: v for k, v in trained.state_dict().items()}
    torch.save({wrapper: state, "epoch": 3} if wrapper else state, tmp_path / "weights.pth")
    found = read_state(tmp_path / "weights.pth")
    assert all(torch.equal(v, found[k]) for k, v in trained.state_dict().items()) and len(found) == len(state)


@pytest.mark.parametrize("wrap", [lambda s: {"_orig_mod.module." + k: v for k, v in s.items()}, lambda s: {"model": {"state_dict": s}}])
def test_wrappers_and_prefixes_are_undone_in_any_order(trained, tmp_path, wrap):
    torch.save(wrap(trained.state_dict()), tmp_path / "weights.pth")
    assert set(read_state(tmp_path / "weights.pth")) == set(trained.state_dict())


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt"])
def test_a_loaded_network_is_the_saved_one(trained, tmp_path, suffix, pictures):
    file = tmp_path / f"weights{suffix}"
    save_file(trained.state_dict(), file) if suffix == ".safetensors" else torch.save(trained.state_dict(), file)
    network = load("cifar_resnet20", file, width=4)  # five classes are found in the file
    assert not network.training
    assert torch.equal(outputs(network, pictures), outputs(trained, pictures))


@pytest.mark.parametrize("arch", ["cifar_vgg11", "cifar_vgg16_bn", "wrn40_2", "cifar_resnet18"])
def test_the_number_of_classes_is_read_off_the_weights(arch, tiny, tmp_path):
    save_file(tiny(arch, classes=3).state_dict(), tmp_path / "weights.safetensors")
    assert load(arch, tmp_path / "weights.safetensors", width=4).linear.out_features == 3


def test_weights_in_half_precision_are_widened(trained, tmp_path, pictures):
    half = copy.deepcopy(trained).half()
    save_file(half.state_dict(), tmp_path / "weights.safetensors")
    network = load("cifar_resnet20", tmp_path / "weights.safetensors", width=4)
    assert probe(network, pictures).logits.dtype == torch.float32
    torch.testing.assert_close(outputs(network, pictures), outputs(half.float(), pictures))


class Payload:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (open, (str(self.mark), "w"))


def test_code_in_a_pickle_is_refused_and_does_not_run(trained, tmp_path):
    torch.save({"state_dict": trained.state_dict(), "extra": Payload(tmp_path / "mark")}, tmp_path / "evil.pth")
    with pytest.raises(InputError, match="evil.pth holds more than tensors or is damaged, so it is not loaded"):
        read_state(tmp_path / "evil.pth")
    torch.save(trained, tmp_path / "whole.pt")  # a whole network is a pickle with code as well
    with pytest.raises(InputError, match="save the state_dict as safetensors"):
        read_state(tmp_path / "whole.pt")
    assert not (tmp_path / "mark").exists()


def test_files_that_are_no_weights_are_explained(tmp_path):
    with pytest.raises(InputError, match="There is no file .*nowhere.pth; check the path of the weights"):
        read_state(tmp_path / "nowhere.pth")
    for name in ("broken.safetensors", "broken.pth"):
        (tmp_path / name).write_bytes(b"not weights at all")
    with pytest.raises(InputError, match="broken.safetensors cannot be read as safetensors"):
        read_state(tmp_path / "broken.safetensors")
    with pytest.raises(InputError, match="broken.pth holds more than tensors or is damaged"):
        read_state(tmp_path / "broken.pth")
    torch.save([torch.zeros(2)], tmp_path / "list.pth")
    with pytest.raises(InputError, match=r"list.pth holds no state dict; save model.state_dict\(\)"):
        read_state(tmp_path / "list.pth")
    torch.save({"epoch": 3}, tmp_path / "empty.pth")
    with pytest.raises(InputError, match="empty.pth holds no tensors"):
        read_state(tmp_path / "empty.pth")


def test_weights_that_are_no_numbers_are_refused(trained, tmp_path):
    for bad in (float("nan"), float("inf")):
        state = trained.state_dict()
        state["layer2.1.conv1.weight"] = state["layer2.1.conv1.weight"].clone()
        state["layer2.1.conv1.weight"][0, 0, 0, 0] = bad
        save_file(state, tmp_path / "weights.safetensors")
        with pytest.raises(InputError, match="weights.safetensors hold NaN or infinity"):
            load("cifar_resnet20", tmp_path / "weights.safetensors", width=4)


def test_a_mismatch_names_the_keys_and_shapes(trained, tmp_path):
    state = trained.state_dict()
    state["stranger"] = state.pop("conv1.weight")
    save_file(state, tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match="do not fit cifar_resnet20: missing conv1.weight; unknown stranger"):
        load("cifar_resnet20", tmp_path / "weights.safetensors", width=4)
    save_file(trained.state_dict(), tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match=r"conv1.weight is \(4, 3, 3, 3\), expected \(16, 3, 3, 3\)"):
        load("cifar_resnet20", tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match=r"linear.weight is \(5, 16\), expected \(9, 16\)"):
        load("cifar_resnet20", tmp_path / "weights.safetensors", width=4, classes=9)


def test_counters_of_batch_norm_may_be_missing(trained, tmp_path, pictures):
    save_file({k: v for k, v in trained.state_dict().items() if "num_batches" not in k}, tmp_path / "weights.safetensors")
    assert torch.equal(outputs(load("cifar_resnet20", tmp_path / "weights.safetensors", width=4), pictures), outputs(trained, pictures))


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
def test_hostile_files_are_refused_in_a_sentence(make, tmp_path):
    file = make(tmp_path)
    with pytest.raises(InputError) as caught:
        read_state(file)
    assert caught.value.key.startswith("weights.") and str(caught.value).endswith(".")
    assert not (tmp_path / SENTINEL).exists()


@pytest.mark.parametrize("make", UNFIT.values(), ids=UNFIT)
def test_files_of_no_network_fit_none(make, tmp_path):
    assert not any(fit.exact for fit in guess(read_state(make(tmp_path))))


def test_a_pack_that_asks_for_a_huge_network_is_refused_before_memory_is_taken(tmp_path, trained):
    save_file(trained.state_dict(), tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match="do not fit cifar_resnet18"):
        load("cifar_resnet18", tmp_path / "weights.safetensors", classes=5, width=4096)  # 155 GB
    with pytest.raises(InputError, match="depth 10000000 cannot be made"):
        load("cifar_resnet20", tmp_path / "weights.safetensors", classes=5, depth=10_000_000)


def test_tied_weights_are_read(tmp_path):
    weight = torch.ones(300, 300)
    torch.save({"a": weight, "b": weight}, tmp_path / "tied.pt")
    assert set(read_state(tmp_path / "tied.pt")) == {"a", "b"}
