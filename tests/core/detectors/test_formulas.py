"""The formulas of docs/methods.md written out in NumPy, letter by letter, against what the detectors score with the table's parameters.

A change of a constant or a default in the code fails here: the formula then has to follow.
"""

from types import SimpleNamespace

import numpy as np
import pytest

from core.detectors import DETECTORS, make


def energy(z):
    return np.log(np.exp(z).sum(-1))


def softmax(z):
    return np.exp(z) / np.exp(z).sum(-1, keepdims=True)


def unit(f):
    return f / np.linalg.norm(f, axis=-1, keepdims=True)


def highest(values):
    return np.sort(values, axis=1)[:, ::-1]


def distances(u, known, labels):
    """Return the (N, C) squared Mahalanobis distances under the shared covariance plus 0.001 of its mean variance."""
    means = np.stack([known[labels == c].mean(0) for c in np.unique(labels)])
    centred = known - means[labels]
    covariance = centred.T @ centred / len(known)
    inverse = np.linalg.inv(covariance + 0.001 * np.trace(covariance) / len(covariance) * np.eye(len(covariance)))
    apart = u[:, None] - means
    return np.einsum("ncd,de,nce->nc", apart, inverse, apart)


def strongest(f, percentile):
    """Return (D,) bool: the D (1 - q / 100) strongest features of a picture."""
    return np.isin(np.arange(len(f)), np.argsort(-f)[: round(len(f) * (1 - percentile / 100))])


def of_picture(activations, weight, bias):
    f, norms = activations.features.double().numpy(), activations.norms.double().numpy()
    normed = norms[:, [list(activations.blocks).index("late")]] * unit(f) @ weight.T + bias
    means = activations.means.get("middle")
    return SimpleNamespace(f=f, z=activations.logits.double().numpy(), norms=norms, normed=normed, middle=None if means is None else means.double().numpy())


@pytest.fixture
def known(exact):
    """Return the arrays of the pictures x, of what ODIN's step makes of them, of the bank and of the held-out pictures, and the head."""
    weight, bias = (t.numpy() for t in exact.reference.head)
    parts = {"x": exact.fresh, "moved": exact.fresh.perturbed, "bank": exact.reference.bank, "held_out": exact.reference.held_out}
    return SimpleNamespace(
        **{name: of_picture(a, weight, bias) for name, a in parts.items()}, weight=weight, bias=bias, labels=exact.reference.bank_labels.numpy()
    )


def shaped(known, shape):
    return np.array([energy(known.weight @ shape(f) + known.bias) for f in known.x.f])


def gen(known):
    p = highest(softmax(known.x.z))[:, :100]
    return -((p * (1 - p)) ** 0.1).sum(1)


def vim(known):
    origin, width = -np.linalg.pinv(known.weight) @ known.bias, known.x.f.shape[1]
    centred = known.bank.f - origin
    rest = np.linalg.eigh(centred.T @ centred)[1][:, : width - width // 2]
    beta = known.bank.z.max(1).sum() / np.linalg.norm(centred @ rest, axis=1).sum()
    return energy(known.x.z) - beta * np.linalg.norm((known.x.f - origin) @ rest, axis=1)


def fdbd(known):
    z, first, count = known.x.z, known.x.z.argmax(1), known.x.z.shape[1]
    own = known.weight[first]
    terms = [np.where(first == c, 0, (z.max(1) - z[:, c]) / np.maximum(np.linalg.norm(own - known.weight[c], axis=1), 1e-300)) for c in range(count)]
    return sum(terms) / ((count - 1) * np.linalg.norm(known.x.f - known.bank.f.mean(0), axis=1))


def nci(known):
    centred, rows = known.x.f - known.bank.f.mean(0), known.weight[known.x.z.argmax(1)]
    return (centred * rows).sum(1) / np.linalg.norm(centred, axis=1) + 1e-4 * np.abs(known.x.f).sum(1)


def nac(known):
    def bins(of):
        v = 1 / (1 + np.exp(-100 * of.f * ((softmax(of.z) - 1 / of.z.shape[1]) @ known.weight)))
        return np.maximum(np.ceil(50 * v) - 1, 0)  # a bin holds its upper edge: a silent neuron's 1/2 is in the lower half

    counts = (bins(known.bank)[None] == bins(known.x)[:, None]).sum(1)
    return np.minimum(1, counts / 50).mean(1)


def ash_b(f):
    kept = strongest(f, 90) & (f > 0)
    return kept * f.sum() / kept.sum()


def ash_s(f):
    kept = strongest(f, 65)
    return kept * f * np.exp(f.sum() / f[kept].sum())


FORMULAS = {
    "featurenorm": lambda k: k.x.norms[:, -1],
    "msp": lambda k: softmax(k.x.z).max(1),
    "maxlogit": lambda k: k.x.z.max(1),
    "energy": lambda k: energy(k.x.z),
    "gen": gen,
    "odin": lambda k: softmax(k.moved.z / 1000).max(1),
    "msp_selected_norm": lambda k: softmax(k.x.normed).max(1),
    "energy_selected_norm": lambda k: energy(k.x.normed),
    "odin_selected_norm": lambda k: softmax(k.moved.normed / 1000).max(1),
    "knn": lambda k: -np.sqrt(2 - 2 * highest(unit(k.x.f) @ unit(k.bank.f).T)[:, 49]),
    "nnguide": lambda k: energy(k.x.z) * highest(unit(k.x.f) @ unit(k.bank.f).T * energy(k.bank.z))[:, :10].mean(1),
    "mahalanobis": lambda k: -distances(k.x.f, k.bank.f, k.labels).min(1),
    "mahalanobis_middle": lambda k: -distances(k.x.middle, k.bank.middle, k.labels).min(1),
    "rmds": lambda k: distances(k.x.f, k.bank.f, 0 * k.labels)[:, 0] - distances(k.x.f, k.bank.f, k.labels).min(1),
    "vim": vim,
    "fdbd": fdbd,
    "nci": nci,
    "react": lambda k: shaped(k, lambda f: np.minimum(f, np.percentile(k.bank.f, 90))),
    "ash_b": lambda k: shaped(k, ash_b),
    "ash_s": lambda k: shaped(k, ash_s),
    "scale": lambda k: shaped(k, lambda f: f * np.exp(f.sum() / f[strongest(f, 85)].sum())),
    "nac": nac,
}


@pytest.mark.parametrize("name", FORMULAS)
def test_the_formula_is_what_is_computed(name, exact, known):
    scores = make(name).fit(exact.reference).score(exact.fresh).numpy()
    np.testing.assert_allclose(scores, FORMULAS[name](known), rtol=1e-9, atol=1e-9)


def test_the_formula_of_the_jigsaw_regression(exact, known):
    detector = make("jigsaw").fit(exact.reference)
    read = np.concatenate([np.log(known.x.norms), highest(known.x.z)], 1)
    terms = detector._weight.numpy() * (read - detector._mean.numpy()) / detector._deviation.numpy()
    np.testing.assert_allclose(detector.score(exact.fresh).numpy(), detector._bias + terms.sum(1), rtol=1e-9)


def test_the_formula_of_the_consensus(exact):
    detector = make("consensus").fit(exact.reference)
    total = 0
    for one in detector.fitted.values():
        held_out, scores = one.held_out_scores(exact.reference).numpy(), one.score(exact.fresh).numpy()
        total = total + np.log((1 + (held_out <= scores[:, None]).sum(1)) / (1 + len(held_out)))
    np.testing.assert_allclose(detector.score(exact.fresh).numpy(), total, rtol=1e-12)


def test_only_detectors_of_the_table_are_written_out():
    assert set(FORMULAS) | {"jigsaw", "consensus"} <= set(DETECTORS)
