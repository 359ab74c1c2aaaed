"""Make a network by name, and put weights of many origins into it."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from core.errors import InputError, unknown
from core.networks import NETWORKS

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "ema", "teacher")
PREFIXES = ("module.", "_orig_mod.", "model.", "net.")


def known_names():
    """List every architecture name: our own first, then torchvision's classifiers."""
    return [*NETWORKS, *_torchvision_names()]


def create(arch, *, classes=None, width=None, **options):
    """Make a network with fresh weights, in eval mode.

    Args:
        arch: a name of `core.networks.NETWORKS` or of a torchvision classifier.
        classes: number of outputs; by default 10 for our own, 1,000 for torchvision's.
        width: channels of the first stage, for our own networks.
        **options: further arguments of that architecture, such as `stem_padding`.
    Raises: InputError for an unknown name, or a width for a torchvision network.
    """
    if arch in NETWORKS:
        entry = NETWORKS[arch]
        sized = {"width": width} if width else {}
        try:
            return entry.load()(**{**entry.parameters, **sized, **options, "classes": classes or 10}).eval()
        except (TypeError, ValueError, KeyError, RuntimeError) as error:
            raise InputError(f"{arch} cannot be made with width {width} and options {options}: {error}.", key="network.options") from error
    if arch not in _torchvision_names():
        raise unknown("architecture", arch, known_names())
    if width or options:
        raise InputError(f"{arch} is a torchvision network and takes no width or other options; leave them out.", key="network.width")
    from torchvision.models import get_model

    return get_model(arch, weights=None, num_classes=classes or 1000).eval()


def read_state(file):
    """Read a state dict from safetensors, or from .pt/.pth without running any code in it; undo wrappers.

    Returns: dict of name -> tensor on the CPU.
    Raises: InputError if the file is missing, is neither, or holds more than tensors.
    """
    file = Path(file)
    if not file.is_file():
        raise InputError(f"There is no file {file}; check the path of the weights.", key="weights.missing", file=str(file))
    try:
        state = load_file(file) if file.suffix == ".safetensors" else torch.load(file, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{file.name} cannot be read as safetensors: {error}.", key="weights.damaged", file=file.name) from error
    except Exception as error:  # torch.load on a foreign file can raise nearly anything
        raise InputError(
            f"{file.name} holds more than tensors or is damaged, so it is not loaded; save the state_dict as safetensors.",
            key="weights.pickle",
            file=file.name,
        ) from error
    while isinstance(state, dict) and (inside := next((state[w] for w in WRAPPERS if isinstance(state.get(w), dict)), None)) is not None:
        state = inside
    if not isinstance(state, dict):
        raise InputError(f"{file.name} holds no state dict; save model.state_dict().", key="weights.no_state", file=file.name)
    state = {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
    while state and (prefix := next((p for p in PREFIXES if all(name.startswith(p) for name in state)), None)):
        state = {name.removeprefix(prefix): value for name, value in state.items()}
    if not state:
        raise InputError(f"{file.name} holds no tensors; save model.state_dict().", key="weights.no_state", file=file.name)
    return state


def load(arch, weights, *, classes=None, width=None, **options):
    """Make a network and fill it from a weights file.

    Args: arch, width, options as `create`; weights: a file `read_state` takes; classes: by default as many as the file has.
    Raises: InputError that names the first keys or shapes that do not fit.
    """
    state = read_state(weights)
    network = create(arch, classes=classes or _head_size(state), width=width, **options)
    own = network.state_dict()
    missing = [k for k in own if k not in state and not k.endswith("num_batches_tracked")]
    extra = [k for k in state if k not in own]
    shapes = [f"{k} is {tuple(state[k].shape)}, expected {tuple(v.shape)}" for k, v in own.items() if k in state and state[k].shape != v.shape]
    problems = [f"missing {', '.join(missing[:3])}"] * bool(missing) + [f"unknown {', '.join(extra[:3])}"] * bool(extra) + shapes[:3]
    if problems:
        raise InputError(f"The weights in {Path(weights).name} do not fit {arch}: {'; '.join(problems)}.", key="weights.mismatch", arch=arch)
    network.load_state_dict(state, strict=False)
    if not all(torch.isfinite(v).all() for v in network.state_dict().values() if v.is_floating_point()):
        raise InputError(f"The weights in {Path(weights).name} hold NaN or infinity; train again or take another file.", key="weights.nan")
    return network


def _head_size(state):
    """Guess the number of classes: the length of the last matrix's output."""
    matrices = [v for k, v in state.items() if v.ndim == 2 and k.endswith("weight")]
    heads = [v for k, v in state.items() if v.ndim == 2 and k.split(".")[0] in ("fc", "linear", "head", "heads", "classifier")]
    return len((heads or matrices)[-1]) if heads or matrices else None


def _torchvision_names():
    import torchvision.models as models  # half a second: only where the name is not ours

    return models.list_models(module=models)
