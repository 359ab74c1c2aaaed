"""The weights of a torch.export file, and nothing else of it."""

import json
import zipfile

import pytest
import torch

from core.errors import InputError
from core.networks.build import load, read_state
from core.networks.guess import guess


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Return (file, network): a narrow network, exported with a batch of any size."""
    from core.networks.build import create

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = create("cifar_vgg11_bn", width=4, classes=3)
        network.linear.weight.data = network.linear.weight.data.T.contiguous().T  # strides that are not the usual ones
    file = tmp_path_factory.mktemp("exported") / "net.pt2"
    program = torch.export.export(network, (torch.zeros(2, 3, 32, 32),), dynamic_shapes=({0: torch.export.Dim("batch")},))
    torch.export.save(program, file)
    return file, network


def changed(file, path, name, data):
    """Copy an archive with one member replaced. Args: name: how the member ends. Returns: the copy."""
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(path, "w") as new:
        for info in old.infolist():
            new.writestr(info.filename, data(old.read(info)) if info.filename.endswith(name) else old.read(info))
    return path


def test_the_weights_are_those_of_the_network(exported, pictures):
    file, network = exported
    state = read_state(file)
    assert set(state) == set(network.state_dict()) and all(torch.equal(v, state[k]) for k, v in network.state_dict().items())
    best = guess(state)[0]
    assert best.exact and best.arch == "cifar_vgg11_bn" and best.width == 4
    with torch.no_grad():
        torch.testing.assert_close(load(best.arch, file, width=best.width)(pictures), network(pictures))


def test_nothing_else_of_the_file_is_read(exported, tmp_path):
    evil = changed(exported[0], tmp_path / "evil.pt2", "sample_inputs/model.pt", lambda _: b"cos\nsystem\n(S'touch /tmp/never'\ntR.")
    assert len(read_state(evil)) == len(read_state(exported[0]))


@pytest.mark.parametrize("change", [{"use_pickle": True}, {"path_name": "nowhere"}, {"tensor_meta": {}}])
def test_what_would_have_to_be_unpickled_or_is_damaged_is_refused(exported, tmp_path, change):
    def edit(data):
        config = json.loads(data)
        next(iter(config["config"].values())).update(change)
        return json.dumps(config)

    file = changed(exported[0], tmp_path / "changed.pt2", "weights_config.json", edit)
    with pytest.raises(InputError, match="cannot be read out of changed.pt2 without running what else is in it .*; save the state_dict as safetensors"):
        read_state(file)


def test_weights_that_claim_more_than_there_is_are_refused(exported, tmp_path):
    file = changed(exported[0], tmp_path / "short.pt2", "weights/weight_0", lambda data: data[:-8])
    with pytest.raises(InputError, match="cannot be read out of short.pt2"):
        read_state(file)
    (tmp_path / "none.pt2").write_bytes(b"no archive")
    with pytest.raises(InputError, match="cannot be read out of none.pt2"):
        read_state(tmp_path / "none.pt2")
