"""Relative Sectional Propagation: relevance that is sent back in two parts, for the class and for its rivals.

Source: Nam, Choi & Lee, AAAI 2021. What is carried out here:
- Seed: Grad-CAM of the class, before the sum over channels, against that of its rivals ("comparative gradients"); nothing passes the head.
- Convolution: relevance goes to inputs that respond, through the gradients of the output's relevance with respect to the weights, in place of
  the weights; positive and negative parts apart. Kernels larger than one double what they send and subtract the old total evenly from all units that
  have some ("uniform shift"): weak units turn negative, the total stays.
- Purging: parts that contradict the sign of their position, summed over channels, are dropped, and the rest is scaled to the old total.
- Pools and sums share relevance out in proportion to positive inputs (a sum without any, evenly); joints and slices send it where it came from; batch
  normalisation, ReLU and dropout hand it on.
- First layer: the z^B rule between the lowest and the highest value of the picture (Montavon et al., 2017).

Where this differs from the released code: its path through residual networks does not run and its purging has no effect; both are written anew here.
The seed goes to channels that respond, not to all, so that none of it is lost in a residual sum. Relevance is carried in double precision: each
large kernel doubles both parts while their difference, the total, stays one.
"""

from inspect import signature

import torch
from torch.nn import functional as F
from torch.nn.grad import conv2d_input, conv2d_weight

from core.errors import InputError
from core.explanation.common import block_of, classes_of, forward_of
from core.explanation.gradcam import channel_map
from core.explanation.tape import Tape
from core.probe import twin

HANDED_ON = (F.batch_norm, F.relu, torch.relu, torch.Tensor.relu, F.dropout, torch.clone, torch.Tensor.clone, torch.Tensor.contiguous)
ADDED = (torch.add, torch.Tensor.add, torch.Tensor.__add__, torch.Tensor.__radd__)
MOVED = (torch.cat, torch.concat, F.pad, torch.Tensor.__getitem__, torch.flatten, torch.Tensor.flatten)
POOLED = (F.max_pool2d, torch.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d, F.adaptive_max_pool2d)


def rsp(network, images, *, target=None, block=None, rivals=1, tilt=2.0):
    """Propagate the evidence for a class, and for its rivals, from a block to the pixels.

    Args: network, images, target, block: as `core.explanation.explain`. rivals: how many other classes, the likeliest, the class is held
        against. tilt: the seed's positive total, where its negative one is 1.
    Returns: (N, S, S) float32, the sum over colours; positive = for the class, negative = for something else. Sums to tilt - 1.
    Raises: InputError if a layer of the network has no rule, for an unknown block, or fewer classes than the rivals need.
    """
    chosen = block_of(network, block)
    classes = classes_of(network, images, target)
    against = _rivals(network, images, classes, rivals)
    cams = [channel_map(network, images, chosen, each) for each in (classes, *against.T)]
    if cams[0] is None or cams[0].ndim != 4:
        raise _unavailable("tokens")
    steps, output = _record(network, images, chosen)
    start = seed(cams[0], cams[1:], tilt=tilt).double()
    with torch.no_grad():
        maps = [_propagate(steps, images, output, start, picture) for picture in range(len(images))]
    return torch.stack(maps).sum(1).float()


def seed(cam, rival_cams, *, tilt=2.0):
    """Hold Grad-CAM of the class against that of its rivals.

    Args: cam: (N, C, h, w), before the sum over channels; rival_cams: a list of such; tilt: as `rsp`.
    Returns: (N, C, h, w): for each picture its positive part sums to `tilt`, its negative part to -1, each position's share spread
        evenly over the channels that respond there.
    """
    scaled = [c / (c.amax((1, 2, 3), keepdim=True) + 1e-9) for c in (cam, *rival_cams)]
    difference = len(rival_cams) * scaled[0] - sum(scaled[1:])
    positive, negative = (_of_total(part, 1.0) for part in (difference.relu(), (-difference).relu()))
    position = (positive - negative).sum(1, keepdim=True)  # (N, 1, h, w)
    responds = ((cam != 0) | sum(c != 0 for c in rival_cams).bool()).to(cam.dtype)
    spread = responds / responds.sum(1, keepdim=True).clamp_min(1)
    return (_of_total(position.relu(), tilt) - _of_total((-position).relu(), 1.0)) * spread


def conv_step(x, weight, relevance, options):
    """Send relevance back through a convolution, by comparative gradients and uniform shift.

    Args: x: (1, C, H, W) its input; weight: its weight, of which only the shape counts; relevance: at its output; options: stride, padding,
        dilation and groups.
    Returns: relevance at the input, zero where x <= 0; its total is the relevance's, but for outputs that see no positive input.
    """
    x = x.relu()
    parts = [_through(x, weight, part, options) for part in (relevance.relu(), (-relevance).relu())]
    sent = parts[0] - parts[1]
    if weight.shape[2:].numel() == 1:
        return sent
    units = sent != 0
    return 2 * sent - units * (sent.sum() / units.sum().clamp_min(1))


def purge(relevance):
    """Drop relevance that contradicts the sign of its position, summed over channels, and keep the totals of both signs.

    Args: relevance: (1, C, H, W). Returns: the same shape; a sign that would lose all of its relevance keeps it.
    """
    position = relevance.sum(1, keepdim=True)
    positive, negative = relevance.relu(), (-relevance).relu()
    return _kept(positive, position > 0) - _kept(negative, position <= 0)


def first_step(x, weight, relevance, options):
    """Send relevance from the first convolution to pixels by the z^B rule, between the lowest and the highest value of the picture.

    Args: x: (1, 3, S, S); weight: with batch normalisation folded in; relevance, options: as `conv_step`. Returns: relevance at the pixels, same total.
    """
    low, high = torch.full_like(x, x.min()), torch.full_like(x, x.max())
    kernels = (x, weight), (low, -weight.relu()), (high, (-weight).relu())  # x w - l w+ - h w-, w- negative
    ratio = _divided(relevance, sum(F.conv2d(values, kernel, **options) for values, kernel in kernels))
    return sum(values * conv2d_input(x.shape, kernel, ratio, **options) for values, kernel in kernels)


def add_step(one, other, relevance):
    """Share relevance out between the two terms of a sum, in proportion to what is positive of them; evenly where nothing is. Returns: one for each."""
    positive = one.relu()
    total = positive + other.relu()
    share = torch.where(total > 0, _divided(positive, total), 0.5)
    return share * relevance, (1 - share) * relevance


def pool_step(pool, x, relevance):
    """Share relevance out among the inputs of a pool, in proportion to what they give to it, positive inputs only. Args: pool: x -> its output."""
    with torch.enable_grad():
        x = x.relu().requires_grad_()
        output = pool(x)
        return (x * torch.autograd.grad(output, x, _divided(relevance, output.detach()))[0]).detach()


def move_step(move, tensors, relevance):
    """Send relevance through a joint, a slice or a padding to where each value came from. Args: move: the tensors -> its output. Returns: one for each."""
    with torch.enable_grad():
        leaves = [tensor.requires_grad_() for tensor in tensors]
        return torch.autograd.grad(move(leaves), leaves, relevance)


def _rivals(network, images, classes, count):
    """Return (N, count) the likeliest other classes."""
    with torch.no_grad():
        logits = forward_of(network)(images)
    if not 1 <= count < logits.shape[1]:
        message = f"{count} rivals were asked for, of {logits.shape[1]} classes; choose 1 to {logits.shape[1] - 1}."
        raise InputError(message, key="explanation.rivals", count=count, classes=logits.shape[1])
    return logits.scatter(1, classes[:, None], -torch.inf).topk(count).indices


def _record(network, images, block):
    """Return (the steps up to the block's output, that output)."""
    run, twins = twin(network)
    tape, kept = Tape(), []
    twins[block].register_forward_hook(lambda _, __, output: kept.append((len(tape.steps), output)))
    with torch.no_grad(), tape:
        run(images)
    count, output = kept[-1]
    return tape.steps[:count], output


def _propagate(steps, images, output, start, picture):
    """Send one picture's relevance from a block's output back to its pixels. Returns: (3, S, S) float64."""
    relevance = {id(output): start[picture : picture + 1]}
    for place in range(len(steps) - 1, -1, -1):
        arrived = relevance.pop(id(steps[place].output), None)
        if arrived is not None:
            for tensor, sent in _sent(steps, place, images, arrived, picture):
                relevance[id(tensor)] = relevance[id(tensor)] + sent if id(tensor) in relevance else sent
    return relevance[id(images)][0]


def _sent(steps, place, images, relevance, picture):
    """Yield (tensor, relevance sent to it) for what a step was given."""
    step = steps[place]
    if step.function in HANDED_ON:
        yield step.given[0], relevance
    elif step.function is F.conv2d:
        given = dict(zip(("input", "weight", "bias", "stride", "padding", "dilation", "groups"), step.given, strict=False)) | step.options
        options = {name: given[name] for name in ("stride", "padding", "dilation", "groups") if name in given}
        x, weight = given["input"][picture : picture + 1].double(), given["weight"].double()
        if given["input"] is images:
            yield images, first_step(x, _folded(weight, steps, place), relevance, options)
        else:
            sent = conv_step(x, weight, relevance, options)
            yield given["input"], sent if weight.shape[2:].numel() == 1 else purge(sent)
    elif step.function in ADDED and all(isinstance(term, torch.Tensor) and term.shape == step.output.shape for term in step.given):
        one, other = _one(step.given, picture)
        yield from zip(step.given, add_step(one, other, relevance), strict=True)
    elif step.function in POOLED:
        x, *rest = step.given
        yield x, pool_step(lambda x: step.function(x, *rest, **step.options), _one(x, picture), relevance)
    elif step.function in MOVED:
        what, *rest = step.given
        joined = isinstance(what, tuple)
        tensors = what if joined else (what,)
        sent = move_step(lambda moved: step.function(moved if joined else moved[0], *rest, **step.options), _one(tensors, picture), relevance)
        yield from zip(tensors, sent, strict=True)
    else:
        raise _unavailable(getattr(step.function, "__name__", str(step.function)))


def _folded(weight, steps, place):
    """Return a convolution's weight times the scale of the batch normalisation that follows it, if one does."""
    after = steps[place + 1] if place + 1 < len(steps) else None
    if after is None or after.function is not F.batch_norm or after.given[0] is not steps[place].output:
        return weight
    norm = signature(F.batch_norm).bind(*after.given, **after.options)
    norm.apply_defaults()
    scale = (norm.arguments["running_var"].double() + norm.arguments["eps"]).rsqrt()
    gain = norm.arguments["weight"]
    return weight * (scale if gain is None else scale * gain.double())[:, None, None, None]


def _one(given, picture):
    """Take one picture out of a tensor, or of each of a tuple, in double precision."""
    return tuple(_one(tensor, picture) for tensor in given) if isinstance(given, tuple) else given[picture : picture + 1].double()


def _through(x, weight, part, options):
    """Send one sign of relevance (>= 0) back through a convolution, by the gradient of its sum with respect to the weights."""
    gradient = conv2d_weight(x, weight.shape, part, **options)
    ratio = _divided(part, F.conv2d(x, gradient, **options))
    return x * conv2d_input(x.shape, gradient, ratio, **options)


def _kept(part, where):
    total, kept = part.sum(), part * where
    return kept * (total / kept.sum()) if kept.sum() > 0 else part


def _of_total(part, total):
    """Scale (N, C, h, w) >= 0 so that each picture's sum is `total`; nothing stays nothing."""
    return total * _divided(part, part.sum((1, 2, 3), keepdim=True).expand_as(part))


def _divided(a, b):
    """Return a / b, and 0 where b is 0."""
    return torch.where(b == 0, 0, a / torch.where(b == 0, 1, b))


def _unavailable(layer):
    return InputError(
        f"Relative Sectional Propagation has no rule for {layer}; it is for convolutions, batch normalisation, ReLU, pools and sums. Choose Grad-CAM here.",
        key="explanation.unavailable",
        layer=layer,
    )
