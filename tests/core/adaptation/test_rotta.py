import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.adaptation import make
from core.adaptation.rotta import Memory


def slow_memory(pictures, capacity, classes):
    """Keep pictures by the rules of the paper, one list a class. Returns: the names that are left, sorted."""
    lists = [[] for _ in range(classes)]

    def badness(one):
        return 1 / (1 + math.exp(-one["age"] / capacity)) + one["entropy"] / math.log(classes)

    for name, (label, unsure) in enumerate(pictures):
        new = {"name": name, "entropy": unsure, "age": 0}
        full = sum(map(len, lists)) >= capacity
        longest = max(map(len, lists))
        if len(lists[label]) >= capacity / classes:
            among = [label]
        elif full:
            among = [c for c in range(classes) if len(lists[c]) == longest]
        else:
            among = None
        if among is None:
            lists[label].append(new)
        else:
            worst = max(((badness(one), c, i) for c in among for i, one in enumerate(lists[c])), default=None)
            if worst is None:
                lists[label].append(new)
            elif worst[0] > badness(new):
                lists[worst[1]].pop(worst[2])
                lists[label].append(new)
        for each in lists:
            for one in each:
                one["age"] += 1
    return sorted(one["name"] for each in lists for one in each)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats(0, math.log(4))), min_size=1, max_size=60, unique_by=lambda pair: pair[1]),
    st.sampled_from([3, 8, 10]),
)
def test_the_memory_keeps_what_the_rules_say(pictures, capacity):
    memory = Memory(capacity, 4)
    for name, (label, unsure) in enumerate(pictures):
        memory.add(name, label, unsure)
    assert sorted(one.picture for one in memory.kept) == slow_memory(pictures, capacity, 4)
    assert len(memory.kept) <= max(capacity, 1)


def test_the_memory_holds_no_more_of_a_class_than_its_share():
    memory = Memory(8, 4)
    for i in range(30):
        memory.add(i, 0, 0.5 - 0.01 * i)
    assert len(memory.kept) == 2 and all(one.picture >= 28 for one in memory.kept)


def test_what_is_predicted_does_not_depend_on_the_neighbours(network, preprocessing, images):
    whole = make("rotta", network, preprocessing).adapt(images)
    half = make("rotta", network, preprocessing).adapt(images[:7])
    assert torch.allclose(whole[:7], half, atol=1e-6)
    assert torch.allclose(whole, network(preprocessing.normalise(images)), atol=1e-5)  # nothing learnt yet: the source's statistics


def test_it_learns_every_so_many_pictures_and_the_teacher_follows(network, preprocessing, images):
    method = make("rotta", network, preprocessing, every=16, capacity=9, nu=0.25)
    start = [p.detach().clone() for p in method.network.parameters()]
    method.adapt(images[:15])
    assert all(torch.equal(p, q) for p, q in zip(method.network.parameters(), start, strict=True))
    method.adapt(images[15:16])
    moved = [not torch.equal(p, q) for p, q in zip(method.network.parameters(), start, strict=True)]
    assert [name for (name, _), it in zip(method.network.named_parameters(), moved, strict=True) if it] == ["1.weight", "1.bias", "4.weight", "4.bias"]
    for student, then, teacher in zip(method.network.parameters(), start, method.teacher.parameters(), strict=True):
        assert torch.allclose(teacher, 0.75 * then + 0.25 * student, atol=1e-6)
    assert not torch.equal(method.teacher[1].running_mean, network[1].running_mean)
    mean = method.teacher[1].running_mean.clone()
    method.adapt(images[16:20])
    assert torch.equal(mean, method.teacher[1].running_mean)  # predicting moves no statistics


def test_fresh_pictures_count_more():
    age = torch.tensor([0.0, 0.5, 2.0])
    assert (-age).sigmoid().tolist() == pytest.approx([math.exp(-a) / (1 + math.exp(-a)) for a in age.tolist()])
