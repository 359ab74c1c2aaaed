"""What becomes of a batch for which a device has no memory: the same numbers, in halves or on the CPU."""

import logging

import pytest
import torch

from core.errors import InputError
from core.images.preprocess import Preprocessing
from core.memory import CPU, HALVES, needing, on_cpu, within_memory
from core.packs.measuring import Measuring
from core.probe import probe, probe_all
from core.training.trainer import logits_of


class Small(torch.nn.Module):
    """A network on a device with memory for `most` pictures at once."""

    def __init__(self, network, most):
        super().__init__()
        self.network, self.most = network, most

    def forward(self, x):
        if len(x) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return self.network(x)


@pytest.fixture
def images(generator):
    return torch.randint(0, 256, (11, 3, 32, 32), dtype=torch.uint8, generator=generator)


SEE = Preprocessing(32)


def test_halves_measure_what_small_batches_do(tiny, images, caplog):
    network, counted = tiny().eval(), []
    small = Small(network, 3)
    found = probe_all(small, images, SEE, batch_size=8, progress=lambda done, total: counted.append((done, total)))
    expected = probe_all(network, images, SEE, batch_size=2)
    assert torch.equal(found.logits, expected.logits) and torch.equal(found.norms, expected.norms) and torch.equal(found.features, expected.features)
    assert found.fallback == HALVES and expected.fallback == "" and found.to("cpu")[:2].fallback == HALVES
    assert [record.getMessage() for record in caplog.records] == [f"the memory of cpu is full: going on with {n} pictures at once" for n in (4, 2)]
    assert counted == [(n, 11) for n in (2, 4, 6, 8, 10, 11)]
    assert torch.equal(logits_of(small, images, SEE, batch_size=11), logits_of(network, images, SEE, batch_size=2))


def test_without_need_nothing_changes(tiny, images, caplog):
    network = tiny().eval()
    found, expected = probe_all(network, images, SEE), probe(network, SEE.normalise(images))
    assert torch.equal(found.logits, expected.logits) and found.fallback == "" and not caplog.records


def test_one_picture_too_many_goes_to_the_cpu(tiny, images, caplog):
    """On "meta", a device that holds no numbers; here it never has memory."""
    network, given = tiny().eval(), []

    def compute(network, batch):
        given.append((network, batch.device.type, len(batch)))
        if batch.device.type == "meta":
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return network(SEE.normalise(batch))

    with torch.no_grad():
        found = list(within_memory(compute, network, images[:5], 2, device="meta"))
        expected = network(SEE.normalise(images[:1]))
    assert [(done, how) for done, _, how in found] == [(n, CPU) for n in range(1, 6)]
    assert torch.equal(found[0][1], expected) and [size for *_, size in given] == [2, 1, 1, 1, 1, 1, 1]
    assert all(one is network for one, kind, _ in given if kind == "meta") and all(one is not network for one, kind, _ in given if kind == "cpu")
    assert caplog.records[-1].getMessage().endswith("on the CPU") and caplog.records[-1].levelno == logging.WARNING


def test_a_copy_on_the_cpu_says_the_same_and_leaves_the_network_alone(tiny, pictures):
    network = tiny().eval()
    before, copied = {name: value for name, value in network.state_dict().items()}, on_cpu(network)
    assert all(value is network.state_dict()[name] or torch.equal(value, network.state_dict()[name]) for name, value in before.items())
    assert not {id(m) for m in network.modules()} & {id(m) for m in copied.modules()}
    with torch.no_grad():
        assert torch.equal(copied(pictures), network(pictures))


def test_a_cpu_without_memory_gets_its_sentence(tiny, images):
    with pytest.raises(InputError, match="too small for 1 pictures at once; take fewer") as caught:
        probe_all(Small(tiny().eval(), 0), images, SEE)
    assert caught.value.key == "memory.full"


@pytest.mark.parametrize(
    "words", ["MPS backend out of memory (MPS allocated: 1 GB)", "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"]
)
def test_other_devices_say_it_in_other_words(words):
    with pytest.raises(InputError, match="for 7 pictures"), needing(7):
        raise RuntimeError(words)
    with pytest.raises(RuntimeError, match="shapes"), needing(7):
        raise RuntimeError("shapes do not fit")


def test_a_pack_that_is_built_halves_too(tiny, images, tmp_path):
    network, small = tiny().eval(), Small(tiny().eval(), 3)
    made = Measuring(tmp_path / "kept", total=11)(small, images, SEE)
    assert torch.equal(made.logits, probe_all(network, images, SEE, batch_size=2).logits)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_that_is_nearly_full_measures_all_the_same(tiny):
    images = torch.zeros(4096, 3, 64, 64, dtype=torch.uint8)
    network = tiny("cifar_resnet18", width=64).eval()
    free, total = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction(0.5 * 2**30 / total)
    try:
        found = probe_all(network.to("cuda"), images, SEE, device="cuda", batch_size=4096)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    expected = probe_all(network, images[:8], SEE, device="cuda", batch_size=8)
    assert found.fallback == HALVES and len(found) == 4096 and torch.allclose(found.logits[:8], expected.logits, atol=1e-3)
