"""Make a network by name, and put weights of many origins into it."""

import zipfile
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch.overrides import TorchFunctionMode

from core.errors import InputError, unknown
from core.networks import NETWORKS
from core.networks.exported import DAMAGED, SHARED, read_exported

TIMM = "timm:"  # what timm's names begin with here
SLOW = ("googlenet", "inception_v3")  # their own first values take half a minute to draw
AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")  # heads that only training runs; torchvision takes them off trained networks
WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "ema", "teacher")
PREFIXES = ("module.", "_orig_mod.", "model.", "net.")
DEEPEST, WIDEST, MOST = 1202, 4096, 100_000  # layers, channels of the first stage, outputs: a file that claims more is no file of weights
UNMADE = (TypeError, ValueError, LookupError, ArithmeticError, RuntimeError, AssertionError)  # what constructors raise at values that make no sense


def known_names():
    """List every architecture name: our own first, then torchvision's classifiers."""
    return [*NETWORKS, *_torchvision_names()]


def create(arch, *, classes=None, width=None, **options):
    """Make a network with fresh weights, in eval mode.

    Args:
        arch: a name of `core.networks.NETWORKS` or of a torchvision classifier, or "timm:" and a name of timm's where that is installed.
        classes: number of outputs; by default 10 for our own, 1,000 for torchvision's, what the name says for timm's.
        width: channels of the first stage, for our own networks.
        **options: further arguments of that architecture, such as `stem_padding`; `image_size` for torchvision's vision transformers.
    Raises: InputError for an unknown name, a width or an option that the network does not take, or timm where it is not installed.
    """
    for name, value, most in (("width", width, WIDEST), ("classes", classes, MOST), ("depth", options.get("depth"), DEEPEST)):
        if value is not None and not (isinstance(value, int) and 0 <= value <= most):
            raise InputError(
                f"A network with {name} {value!r} cannot be made; give a whole number up to {most:,}.", key="network.size", name=name, value=value, most=most
            )
    if arch.startswith(TIMM):
        return _timm(arch.removeprefix(TIMM), classes=classes, width=width, **options)
    if arch in NETWORKS:
        entry = NETWORKS[arch]
        sized = {"width": width} if width else {}
        try:
            return entry.load()(**{**entry.parameters, **sized, **options, "classes": classes or 10}).eval()
        except UNMADE as error:
            raise InputError(f"{arch} cannot be made with width {width} and options {options}: {error}.", key="network.options", arch=arch) from error
    if arch not in _torchvision_names():
        raise unknown("architecture", arch, known_names())
    if width or set(options) - ({"image_size"} if arch.startswith("vit_") else set()):
        raise InputError(f"{arch} is a torchvision network and takes no width or other options; leave them out.", key="network.width", arch=arch)
    from torchvision.models import get_model

    if arch in SLOW:
        options["init_weights"] = False
    try:
        return get_model(arch, weights=None, num_classes=classes or 1000, **options).eval()
    except UNMADE as error:
        raise InputError(f"{arch} cannot be made with width {width} and options {options}: {error}.", key="network.options", arch=arch) from error


def sketch(arch, **options):
    """Make a network whose parameters have shapes but no values and take no memory. Args, Raises: as `create`."""
    with _Hollow():
        return create(arch, **options)


def read_state(file):
    """Read a state dict from safetensors, from .pt/.pth without running any code in it, or out of a .pt2; undo wrappers.

    Returns: dict of name -> tensor on the CPU.
    Raises: InputError if the file is missing, is neither, holds more than tensors, NaN or infinity, or tensors that would grow far beyond it.
    """
    file = Path(file)
    if not _is_file(file):
        raise InputError(f"There is no file {file}; check the path of the weights.", key="weights.missing", file=str(file))
    if file.suffix == ".pt2":
        return _unwrapped(_exported(file), file)
    try:
        if file.suffix != ".safetensors":
            _check_archive(file)
        state = load_file(file) if file.suffix == ".safetensors" else torch.load(file, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{file.name} cannot be read as safetensors: {error}.", key="weights.damaged", file=file.name) from error
    except InputError:
        raise
    except Exception as error:  # torch.load on a foreign file can raise nearly anything
        raise InputError(
            f"{file.name} holds more than tensors or is damaged, so it is not loaded; save the state_dict as safetensors.",
            key="weights.pickle",
            file=file.name,
        ) from error
    return _unwrapped(state, file)


def load(arch, weights, *, classes=None, width=None, **options):
    """Make a network and fill it from a weights file.

    Args: arch, width, options as `create`; weights: a file `read_state` takes; classes: by default as many as the file has.
    Raises: InputError that names the first keys or shapes that do not fit.
    """
    state, source = read_state(weights), Path(weights).name
    classes = classes or head_size(state)
    if options or (width or 0) > 64 or (classes or 0) > 1000:  # it may be huge: compared before memory is taken
        _check_fit(sketch(arch, classes=classes, width=width, **options), state, arch=arch, source=source)
    return fill(create(arch, classes=classes, width=width, **options), state, arch=arch, source=source)


def fill(network, state, *, arch, source):
    """Put a state dict into a network. Args: arch, source: what network and weights are called where they do not fit. Returns: the network.

    Raises: InputError that names the first keys or shapes that do not fit, or if the weights hold NaN or infinity.
    """
    _check_fit(network, state, arch=arch, source=source)
    network.load_state_dict(state, strict=False)
    _check_finite(network.state_dict(), source)  # once more: what is finite in 64 bits need not be in 32
    return network


def _check_finite(state, source):
    if not all(torch.isfinite(value).all() for value in state.values() if value.is_floating_point()):
        raise InputError(f"The weights in {source} hold NaN or infinity; train again or take another file.", key="weights.nan", file=source)


def _check_fit(network, state, *, arch, source):
    missing, unexpected, shapes = compare(network, state)
    listed = [f"{k} is {found}, expected {expected}" for k, found, expected in shapes]
    problems = [f"missing {', '.join(missing[:3])}"] * bool(missing) + [f"unknown {', '.join(unexpected[:3])}"] * bool(unexpected) + listed[:3]
    if problems:
        raise InputError(f"The weights in {source} do not fit {arch}: {'; '.join(problems)}.", key="weights.mismatch", arch=arch, file=source)


def compare(network, state):
    """Return what keeps a state dict from fitting: (missing keys, unexpected keys, (key, found shape, expected shape) each).

    Counters of batches and auxiliary heads of training may be missing: nothing in eval mode reads them.
    """
    own = network.state_dict()
    missing = tuple(k for k in own if k not in state and not k.endswith("num_batches_tracked") and not k.startswith(AUXILIARY))
    shapes = tuple((k, tuple(state[k].shape), tuple(v.shape)) for k, v in own.items() if k in state and state[k].shape != v.shape)
    return missing, tuple(k for k in state if k not in own), shapes


def _exported(file):
    try:
        return read_exported(file)
    except DAMAGED as error:
        raise InputError(
            f"The weights cannot be read out of {file.name} without running what else is in it ({error}); save the state_dict as safetensors.",
            key="weights.exported",
            file=file.name,
        ) from error


def _is_file(path):
    try:
        return path.is_file()
    except OSError:  # a name that is too long
        return False


def _check_archive(file):
    """Refuse a zip that grows as it is read: torch writes none. Raises: InputError."""
    if not zipfile.is_zipfile(file):
        return
    with zipfile.ZipFile(file) as archive:
        parts = archive.infolist()
    if any(part.compress_type != zipfile.ZIP_STORED for part in parts) or sum(part.file_size for part in parts) > file.stat().st_size:
        raise _grows(file)


def _grows(file):
    return InputError(
        f"{file.name} claims far more numbers than it holds, so it is not loaded; save the state_dict as safetensors.", key="weights.grows", file=file.name
    )


def _unwrapped(state, file):
    """Return the tensors of what a file holds, without what is wrapped around them and before their names."""
    for _ in WRAPPERS:  # a dict that lies in itself has no end
        inside = next((state[w] for w in WRAPPERS if isinstance(state.get(w), dict)), None) if isinstance(state, dict) else None
        state = state if inside is None else inside
    if not isinstance(state, dict):
        raise InputError(f"{file.name} holds no state dict; save model.state_dict().", key="weights.no_state", file=file.name)
    state = {name: value for name, value in state.items() if isinstance(name, str) and isinstance(value, torch.Tensor)}
    if odd := next((name for name, value in state.items() if not _is_plain(value)), None):
        raise InputError(
            f"{file.name}: {odd[:60]} is no plain tensor but sparse, quantised, complex or empty of values; save model.state_dict() of the plain network.",
            key="weights.kind",
            file=file.name,
            name=odd[:60],
        )
    if sum(value.nbytes for value in state.values()) > SHARED * file.stat().st_size:
        raise _grows(file)
    _check_finite(state, file.name)
    while state and (prefix := next((p for p in PREFIXES if all(name.startswith(p) for name in state)), None)):
        state = {name.removeprefix(prefix): value for name, value in state.items()}
    if not state:
        raise InputError(f"{file.name} holds no tensors; save model.state_dict().", key="weights.no_state", file=file.name)
    return state


def _is_plain(tensor):
    return tensor.layout == torch.strided and tensor.device.type == "cpu" and not (tensor.is_quantized or tensor.is_complex())


def head_size(state):
    """Guess the number of classes of a state dict: the length of the last matrix's output, or of SqueezeNet's last convolution's. None without either."""
    matrices = [v for k, v in state.items() if v.ndim == 2 and k.endswith("weight")]
    heads = [v for k, v in state.items() if v.ndim == 2 and k.split(".")[0] in ("fc", "linear", "head", "heads", "classifier")]
    heads = heads or [v for k, v in state.items() if k == "classifier.1.weight"]
    return len((heads or matrices)[-1]) if heads or matrices else None


def _torchvision_names():
    import torchvision.models as models  # half a second: only where the name is not ours

    return models.list_models(module=models)


def import_timm(name):
    """Return timm. Args: name: of the network that asks for it. Raises: InputError where it is not installed."""
    try:
        import timm
    except ImportError as error:
        raise InputError(
            f"{TIMM}{name} is a network of timm, which is not installed; run pip install -r requirements-timm.txt.", key="network.timm", name=name
        ) from error
    return timm


def _timm(name, *, classes, width, **options):
    timm = import_timm(name)
    if width:
        raise InputError(f"{TIMM}{name} takes no width; leave it out.", key="network.width", arch=f"{TIMM}{name}")
    if not timm.is_model(name.partition(".")[0]):
        raise unknown("network of timm", name, timm.list_models(f"*{name[:5]}*") or ["what timm.list_models() lists"])
    try:
        return timm.create_model(name, pretrained=False, **({"num_classes": classes} if classes else {}), **options).eval()
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        raise InputError(f"{TIMM}{name} cannot be made with options {options}: {error}.", key="network.options", arch=f"{TIMM}{name}") from error


class _Hollow(TorchFunctionMode):
    """Make what parameters and buffers are made of on the meta device; all else, such as the sums that lay out a RegNet, is computed as ever."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        hollow = {"device": "meta"} if function in (torch.empty, torch.zeros, torch.ones) else {}
        return function(*args, **{**(kwargs or {}), **hollow})
