"""The recorded run that ships is whole: a plan that is understood, a row and a picture for each batch."""

from core.adaptation import ADAPTATIONS
from core.adaptation.example import EXAMPLE, read_example
from core.adaptation.plan import plan_of


def test_the_example_is_a_run_that_ended():
    document, pictures = read_example()
    plan = plan_of(document["plan"])
    assert plan.pack == "toybox" and plan.pictures == "toybox:test", "nothing in it but what this program draws"
    assert document["state"] == "done" and set(document["methods"]) == set(plan.methods) <= set(ADAPTATIONS)
    for lane in document["methods"].values():
        assert [row["batch"] for row in lane["rows"]] == list(range(1, document["batches"] + 1)) == sorted(pictures)
        assert all(len(row["labels"]) >= len(pictures[row["batch"]]) for row in lane["rows"])
    assert all(shown.shape[1:] == (32, 32, 3) and shown.dtype == "uint8" for shown in pictures.values())


def test_it_can_be_absent(monkeypatch):
    monkeypatch.setattr("core.adaptation.example.EXAMPLE", EXAMPLE.with_name("none.zip"))
    assert read_example() is None
