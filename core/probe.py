"""Run a network once and measure every block on the way.

The probe hooks a twin of the network: new module objects around the same weights. The network
that was given is never touched, whatever happens in the forward pass, and any number of threads
may probe it at once. Maps are reduced where they arise and never kept.

Source: FeatureNorm and the choice of ReLU before it, Yu et al., CVPR 2023, equation 3.
"""

from dataclasses import dataclass, fields, replace

import torch

from core.blocks import as_map, find_blocks, find_head, positions
from core.device import autocast
from core.errors import InputError
from core.memory import FALLBACKS, within_memory

PIECE = 2**20  # values of a map that a CPU reduces at once: more than its cache holds takes twice as long


@dataclass(frozen=True)
class Activations:
    """What one forward pass tells about N pictures.

    Attributes:
        blocks: K block names.
        logits: (N, C) float32.
        features: (N, D) float32, the input of the linear head; the mean of the last block where there is no such head.
        norms: (N, K) float32, FeatureNorm of each block; higher = more ID.
        means: {block: (N, channels) float32}, each block's mean over its positions, for the blocks asked for.
        perturbed: Activations of the same pictures after a step that a detector asks for, as ODIN's, or None.
        fallback: how the device's memory made them be measured, of `core.memory.FALLBACKS`.
    """

    blocks: tuple
    logits: torch.Tensor
    features: torch.Tensor
    norms: torch.Tensor
    means: dict
    perturbed: "Activations | None" = None
    fallback: str = ""

    def __len__(self):
        return len(self.logits)

    def __getitem__(self, rows):
        """Take some of the pictures: a slice, a mask or an index tensor."""
        return self._each(lambda tensor: tensor[rows])

    def norm(self, block):
        """Return the (N,) norms of one block. Raises: InputError for an unknown name."""
        if block not in self.blocks:
            raise InputError(f"There is no block {block!r}; this network's blocks are {', '.join(self.blocks)}.", key="blocks.unknown", name=block)
        return self.norms[:, self.blocks.index(block)]

    def to(self, device):
        return self._each(lambda tensor: tensor.to(device))

    def _each(self, change):
        changed = {f.name: change(getattr(self, f.name)) for f in fields(self) if f.name not in ("blocks", "means", "perturbed", "fallback")}
        perturbed = None if self.perturbed is None else self.perturbed._each(change)
        return replace(self, **changed, means={name: change(mean) for name, mean in self.means.items()}, perturbed=perturbed)


def concatenate(parts):
    """Join the activations of one network's batches in order."""
    parts = list(parts)
    joined = {name: torch.cat([getattr(p, name) for p in parts]) for name in ("logits", "features", "norms")}
    means = {k: torch.cat([p.means[k] for p in parts]) for k in parts[0].means}
    perturbed = None if parts[0].perturbed is None else concatenate(p.perturbed for p in parts)
    fallback = max((p.fallback for p in parts), key=FALLBACKS.index)
    return Activations(parts[0].blocks, **joined, means=means, perturbed=perturbed, fallback=fallback)


def feature_norm(x, over=(2, 3)):
    """Measure how strongly a block responds.

    Args: x: a block's output, (N, C, H, W) float; over: the axes that are positions.
    Returns: (N,) >= 0; higher = more ID. Scales with x.
    Source: Yu et al., CVPR 2023; L2 over the positions of ReLU(x), mean over channels.
    """
    pictures = max(1, PIECE // max(1, x.numel() // max(1, len(x))))
    parts = (x,) if x.device.type != "cpu" else x.split(pictures)
    # squares and their sum: vector_norm takes ten times as long where channels lie last in memory
    return torch.cat([p.relu().float().square().sum(over).sqrt().mean(1) for p in parts])


def probe(network, images, *, blocks=None, means=(), precision="fp32", perturb=None, gradients=False):
    """Run one forward pass and measure every block.

    Args:
        network: any classifier that returns (N, C) logits; it is neither changed nor hooked, and runs as in eval mode.
        images: (N, 3, H, W) float, preprocessed, on the network's device.
        blocks: names of the modules to measure; all of `find_blocks` by default.
        means: blocks whose channel means are returned too.
        precision: fp32 or bf16; what is returned is float32 either way.
        perturb: a function (network, images) -> images; what it returns is probed too, as `perturbed`. See `core.detectors.odin`.
        gradients: whether what is returned can be differentiated with respect to the images.
    Returns: Activations on the device of the images.
    Raises: InputError for an unknown block, or one that the forward pass does not reach.
    """
    blocks = find_blocks(network) if blocks is None else tuple(blocks)
    head = find_head(network)
    run, twins = twin(network)
    if missing := [b for b in {*blocks, *means} if b not in twins]:
        known = ", ".join(find_blocks(network))
        raise InputError(f"There is no block {missing[0]!r}; this network's blocks are {known}.", key="blocks.unknown", name=missing[0])
    norms, pooled, kept = {}, {}, {}
    last = blocks[-1]

    def measure(name):
        def hook(module, _, output):
            x = as_map(output)
            over = positions(module, x)
            # vector_norm has a gradient where a channel is silent; the root of a sum of squares has none
            norms[name] = torch.linalg.vector_norm(x.relu().float(), dim=over).mean(1) if gradients else feature_norm(x, over)
            if name in means or name == last:
                pooled[name] = x.mean(over, dtype=torch.float32)

        return hook

    def keep(module, inputs, output):
        kept["features"], kept["logits"] = inputs[0], output

    for name in {*blocks, *means}:
        twins[name].register_forward_hook(measure(name))
    if head:
        twins[head].register_forward_hook(keep)
    with torch.set_grad_enabled(gradients), autocast(images.device, precision):
        logits = as_map(run(images))
    if absent := [b for b in (*blocks, *means) if b not in norms]:
        raise InputError(f"The forward pass does not reach the block {absent[0]!r}; leave it out.", key="blocks.unreached", name=absent[0])
    has_head = kept and kept["logits"].shape == logits.shape and kept["logits"].data_ptr() == logits.data_ptr()
    features = kept["features"].float() if has_head else pooled[last]
    again = None if perturb is None else probe(network, perturb(network, images), blocks=blocks, precision=precision)
    return Activations(blocks, logits.float(), features, torch.stack([norms[b] for b in blocks], 1), {b: pooled[b] for b in means}, again)


def probe_all(network, images, preprocessing, *, device="cpu", batch_size=256, progress=None, **options):
    """Probe many pictures batch by batch, fewer at once or on the CPU where the device's memory is full: see `core.memory`.

    Args: images: (N, 3, S, S) uint8; preprocessing: normalises them; progress: called with (done, total); **options: as `probe`.
    Returns: Activations on the CPU.
    """

    def measure(network, batch):
        return probe(network, preprocessing.normalise(batch), **options).to("cpu")

    parts = []
    for done, part, how in within_memory(measure, network, images, batch_size, device=device):
        parts.append(replace(part, fallback=how))
        if progress:
            progress(done, len(images))
    return concatenate(parts) if len(parts) > 1 else parts[0]


def linear_head(network):
    """Return the weight (C, D) and bias (C,) of the linear head. Raises: InputError if there is none."""
    name = find_head(network)
    if name is None:
        raise InputError("This network has no linear head, so logits cannot be computed from its features.", key="network.no_head")
    layer = network.get_submodule(name)
    bias = layer.bias if layer.bias is not None else layer.weight.new_zeros(len(layer.weight))
    return layer.weight.detach(), bias.detach()


def twin(network):
    """Rebuild a network's modules, in eval mode, around the very same parameters and buffers.

    Hooks of the network's own run in the twin too; hooks put on the twin stay there.
    Returns: (the twin, {name: module of the twin}). Costs microseconds a module and no weight memory.
    """
    made = {}

    def copy(module):
        if id(module) not in made:
            new = module.__new__(type(module))
            new.__dict__ = {k: v.copy() if isinstance(v, dict) else v for k, v in module.__dict__.items()}
            new.__dict__["training"] = False
            made[id(module)] = new
            new.__dict__["_modules"] = {name: None if child is None else copy(child) for name, child in module._modules.items()}
        return made[id(module)]

    root = copy(network)
    return root, dict(root.named_modules(remove_duplicate=False))


def activity_maps(network, images, blocks):
    """Show where blocks respond.

    Args: network, images: as `probe`; blocks: names of modules.
    Returns: {block: (N, h, w) float32 in [0, 1]}: the L2 norm over channels of ReLU of the map, divided by its maximum;
        tokens that form a square (after a class token) are laid out as one.
    """
    run, twins = twin(network)
    maps = {}

    def keep(name):
        def hook(module, _, output):
            x = as_map(output).relu().float()
            over = positions(module, x)
            channels = next(axis for axis in range(1, x.ndim) if axis not in over)
            strength = torch.linalg.vector_norm(x, dim=channels)
            maps[name] = square(strength) if strength.ndim == 2 else strength

        return hook

    for name in blocks:
        twins[name].register_forward_hook(keep(name))
    with torch.no_grad():
        run(images)
    return {name: m / m.amax((1, 2), keepdim=True).clamp_min(1e-12) for name, m in maps.items()}


def square(tokens):
    """Lay (..., T) tokens out as (..., side, side), without a leading class token."""
    side = int(tokens.shape[-1] ** 0.5)
    return tokens[..., -side * side :].unflatten(-1, (side, side))
