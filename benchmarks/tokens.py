"""What FeatureNorm and NormRatio say of a transformer: a small vision transformer learns the toybox, then every block is measured.

python -m benchmarks.tokens [--pictures N] [--limit N]: ID accuracy, NormRatio of each block, and the AUROC of each block's FeatureNorm against unknown toys,
with the class token among the positions, as the probe has it, and without. Two to three minutes on one core.
Expected: accuracy 59 %; NormRatio from 1.008 to 1.029, highest in block 3; textures and letters are told by the first three blocks (72 to 83 %) and not
by the last two (33 to 42 %); the class token changes no AUROC by more than 2 points. The figures differ from one training to another.
"""

import sys

import torch
from torchvision.models import VisionTransformer

from benchmarks.measured import main, number
from core.blocks import find_blocks
from core.images.preprocess import Preprocessing
from core.images.sources import open_source, read
from core.metrics import auroc_columns
from core.probe import feature_norm, probe_all, twin
from core.selection import select_block

RUNS = {"toybox": {}}
SEED = 0
PREPROCESSING = Preprocessing(32, (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616))
SIZES = {"image_size": 32, "patch_size": 4, "num_layers": 6, "num_heads": 4, "hidden_dim": 64, "mlp_dim": 128, "num_classes": 10}
EPOCHS, BATCH, PEAK = 7, 64, 2e-3


def trained(images, labels, *, seed=SEED):
    """Train the transformer: AdamW, one cycle, flips. Returns: it, in eval mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = VisionTransformer(**SIZES)
    optimizer = torch.optim.AdamW(network.parameters(), lr=PEAK, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK, total_steps=EPOCHS * -(-len(images) // BATCH))
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(images), generator=generator).split(BATCH):
            inputs = PREPROCESSING.normalise(images[rows])
            if torch.rand(1, generator=generator) < 0.5:
                inputs = inputs.flip(3)
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(inputs), labels[rows]).backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def norms_of_patches(network, images):
    """Return (N, K) FeatureNorms over all tokens but the class token, which is the first."""
    run, twins = twin(network)
    found = {}
    for name in find_blocks(network):
        twins[name].register_forward_hook(lambda _, inputs, output, name=name: found.update({name: feature_norm(output[:, 1:], (1,))}))
    with torch.no_grad():
        run(PREPROCESSING.normalise(images))
    return torch.stack([found[name] for name in find_blocks(network)], 1)


def measure(*, pictures=4000, limit=400):
    """Train on `pictures` toys, then measure every block on `limit` others against up to 300 unknown ones of each set: percentages but for NormRatio."""
    train, test = (read(open_source(f"toybox:{split}"), PREPROCESSING, stop=n) for split, n in (("train", pictures), ("test", limit)))
    network = trained(train.images, train.labels, seed=SEED)
    known = probe_all(network, test.images, PREPROCESSING)
    selection = select_block(network, test.images, PREPROCESSING, permutations=5, border="crop", known=known)
    patches, auroc, without = norms_of_patches(network, test.images).numpy(), {}, {}
    for name in ("near", "textures", "letters", "noise"):
        unknown = read(open_source(f"toybox:{name}"), PREPROCESSING, stop=min(300, limit)).images
        auroc[name] = 100 * auroc_columns(known.norms.numpy(), probe_all(network, unknown, PREPROCESSING).norms.numpy())
        without[name] = 100 * auroc_columns(patches, norms_of_patches(network, unknown).numpy())
    accuracy = 100 * (known.logits.argmax(1) == test.labels).double().mean()
    settings = {"seed": SEED, "epochs": EPOCHS, "unknown": min(300, limit)}
    return {**settings, "accuracy": accuracy, "norm_ratio": selection.norm_ratio, "auroc": auroc, "auroc_without_class_token": without}


def tables(runs):
    """Return the table of each run, a column a block; the highest NormRatio is bold."""
    return {f"tokens_{name}": list(_lines(run)) for name, run in runs.items()}


def _lines(run):
    ratios = run["norm_ratio"]
    yield ["block", *(f"{k}" for k in range(len(ratios)))]
    yield ["NormRatio", *(f"**{ratio:.3f}**" if ratio == max(ratios) else f"{ratio:.3f}" for ratio in ratios)]
    for name, values in run["auroc"].items():
        yield [f"AUROC against {'near toys' if name == 'near' else name}, %", *map(number, values)]


if __name__ == "__main__":
    sys.exit(main(sys.modules[__name__]))
