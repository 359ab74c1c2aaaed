import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.adaptation.stream import RAMP, ReadyStream, Stream, by_dirichlet
from core.errors import InputError
from core.images.item import Item, Source
from core.images.preprocess import Preprocessing

ROWS = 23


def mark(images, name, severity, *, generator):
    """Write into each picture what was done to it: the name's length and the severity; draw from the generator as corruptions do."""
    changed = images.clone()
    changed[:, 1], changed[:, 2, 0, 0] = len(name) / 10, severity / 10
    return changed + 0 * torch.rand((), generator=generator)


@pytest.fixture
def pictures():
    """Return 23 pictures that hold their number, and labels."""
    return torch.arange(ROWS, dtype=torch.float32).view(-1, 1, 1, 1).expand(ROWS, 3, 2, 2) / 100, torch.arange(ROWS) % 4


def stream(pictures, names=("aa", "bbb"), **options):
    return Stream(*pictures, names, **{"batch_size": 10, "corrupt": mark, **options})


def numbers(batch):
    return (batch.images[:, 0, 0, 0] * 100).round().long()


@pytest.mark.parametrize("setting", ["reset", "continual", "correlated", "gradual", "mixed"])
def test_every_picture_comes_once_in_every_domain_with_its_label(pictures, setting):
    made = stream(pictures, setting=setting)
    batches = list(made)
    assert len(batches) == len(made)
    seen = {}
    for batch in batches:
        assert batch.images.shape == (len(batch), 3, 2, 2) and batch.known.all() and torch.equal(batch.labels, numbers(batch) % 4)
        for number, domain, row in zip(numbers(batch).tolist(), batch.domains, batch.images, strict=True):
            assert row[1, 0, 0].item() == pytest.approx(len(domain) / 10) and row[2, 0, 0].item() == pytest.approx(batch.severity / 10)
            seen.setdefault((domain, len(batch)), 0)
            seen[domain] = [*seen.get(domain, []), number]
    times = len(RAMP) if setting == "gradual" else 1
    assert all(sorted(seen[name]) == sorted(list(range(ROWS)) * times) for name in ("aa", "bbb"))


def test_domains_come_in_order_and_batches_end_with_them(pictures):
    assert [(b.domain, len(b)) for b in stream(pictures)] == [("aa", 10), ("aa", 10), ("aa", 3), ("bbb", 10), ("bbb", 10), ("bbb", 3)]
    assert {b.domain for b in stream(pictures, setting="mixed")} == {"mixed"}


def test_gradual_climbs_and_comes_down(pictures):
    batches = list(stream(pictures, ("aa", "clean"), setting="gradual"))
    assert [b.severity for b in batches if b.domain == "aa"][::3] == list(RAMP)
    assert [b.severity for b in batches if b.domain == "clean"] == [None] * 3


@pytest.mark.parametrize("setting", ["continual", "mixed", "correlated"])
def test_the_same_seed_gives_the_same_stream_again_and_again(pictures, setting):
    strangers = torch.ones(5, 3, 2, 2)
    made = stream(pictures, setting=setting, unknown=strangers, share=0.3)
    once, again, fresh = list(made), list(made), list(stream(pictures, setting=setting, unknown=strangers, share=0.3))
    other = list(stream(pictures, setting=setting, unknown=strangers, share=0.3, seed=1))
    for a, b, c in zip(once, again, fresh, strict=True):
        assert torch.equal(a.images, b.images) and torch.equal(a.images, c.images) and a.domains == b.domains
    assert not all(torch.equal(a.images, b.images) for a, b in zip(once, other, strict=True))
    assert pictures[0].max() < 0.3  # the pictures themselves stay


def test_unknown_pictures_have_their_share_and_the_same_corruption(pictures):
    made = stream(pictures, unknown=torch.full((4, 3, 2, 2), 0.9), share=0.3)
    batches = list(made)
    assert len(batches) == len(made) and [len(b) for b in batches[:2]] == [10, 10]
    for batch in batches:
        strange = ~batch.known
        assert strange.sum() == round(0.3 / 0.7 * batch.known.sum().item())
        assert (batch.labels[strange] == -1).all() and (batch.images[strange][:, 1] == len(batch.domain) / 10).all()
        assert (numbers(batch)[strange] == 90).all() and (numbers(batch)[batch.known] < 90).all()
    assert sorted(torch.cat([numbers(b)[b.known] for b in batches if b.domain == "aa"]).tolist()) == list(range(ROWS))


@given(st.integers(0, 10_000), st.sampled_from([0.01, 0.1, 1.0, 100.0]), st.integers(1, 6))
def test_dirichlet_loses_no_picture(seed, concentration, classes):
    labels = torch.arange(50) % classes
    order = by_dirichlet(labels, concentration, torch.Generator().manual_seed(seed))
    assert sorted(order.tolist()) == list(range(50))


def test_the_lower_the_concentration_the_more_alike_are_neighbours():
    labels = torch.arange(1000) % 10

    def classes_in_a_batch(concentration):
        order = by_dirichlet(labels, concentration, torch.Generator().manual_seed(0))
        return np.mean([len(set(labels[rows].tolist())) for rows in order.split(20)])

    assert classes_in_a_batch(0.01) < 3 and classes_in_a_batch(0.01) <= classes_in_a_batch(100.0)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"setting": "magic"}, "no setting named 'magic'"),
        ({"names": ()}, "at least one picture, one corruption"),
        ({"share": 0.5}, "share of unknown pictures is 0.5"),
        ({"share": 1.0, "unknown": torch.ones(1, 3, 2, 2)}, "share of unknown pictures is 1"),
        ({"setting": "correlated", "concentration": 0.0}, "correlated needs a label"),
    ],
)
def test_what_does_not_work_is_said_at_once(pictures, options, sentence):
    with pytest.raises(InputError, match=sentence):
        stream(pictures, **options)


class Rows(Source):
    """A source of grey pictures with labels and domains; an empty picture cannot be read."""

    name = "rows"

    def __init__(self, domains, broken=()):
        self.domains, self.broken = domains, broken

    def __len__(self):
        return len(self.domains)

    def __getitem__(self, i):
        return Item(f"rows/{i}", b"" if i in self.broken else np.full((4, 4, 3), i, np.uint8), i % 3, self.domains[i])


def ready(domains, broken=(), **options):
    return ReadyStream(Rows(domains, broken), Preprocessing(4), **{"batch_size": 4, **options})


def test_a_ready_stream_ends_its_batches_with_its_domains():
    batches = list(ready(["a"] * 6 + ["b"] * 9))
    assert [(b.domain, len(b)) for b in batches] == [("a", 4), ("a", 2), ("b", 4), ("b", 4), ("b", 1)]
    values = torch.cat([(b.images[:, 0, 0, 0] * 255).round().long() for b in batches])
    assert values.tolist() == list(range(15)) and torch.cat([b.labels for b in batches]).tolist() == [i % 3 for i in range(15)]


def test_a_ready_stream_of_mixed_domains_is_cut_by_size_alone():
    batches = list(ready(["a", "b"] * 5, setting="mixed"))
    assert [(b.domain, len(b)) for b in batches] == [("mixed", 4), ("mixed", 4), ("mixed", 2)]


def test_a_ready_stream_leaves_out_what_cannot_be_read_and_names_it():
    made = ready(["a"] * 9, broken=(1, 2, 3, 4, 8), stop=9)
    assert [len(b) for b in made] == [4] and [name for name, _ in made.errors] == ["rows/1", "rows/2", "rows/3", "rows/4", "rows/8"]


def test_a_ready_stream_without_domains_has_its_sources_name():
    assert {b.domain for b in ready([None] * 3)} == {"rows"}


def test_a_ready_stream_has_its_own_order():
    with pytest.raises(InputError, match="its own order"):
        ready(["a"], setting="gradual")
