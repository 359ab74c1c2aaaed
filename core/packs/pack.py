"""Load and save packs.

`weights.safetensors` holds matrices in half precision and everything else in full; `reference.parquet`
one row a measured picture: the set it belongs to, its label, logits, features, block norms and the
channel means of the middle block; `perturbed.parquet` what ODIN reads of the same pictures. No picture is in any of them.
"""

import hashlib
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tomlkit
import torch
from safetensors.torch import save as save_tensors

from core.blocks import find_blocks, find_head
from core.detectors import DEFAULT
from core.device import pick_device
from core.disk import whole
from core.errors import InputError
from core.images.decode import decode
from core.images.preprocess import Preprocessing, stack
from core.networks import build
from core.packs import FORMAT, describe
from core.probe import Activations, linear_head, probe_all
from core.reference import Reference
from core.selection import Selection
from core.verdict import Judge

WEIGHTS, REFERENCE, PERTURBED = "weights.safetensors", "reference.parquet", "perturbed.parquet"
MOST = 300_000_000  # numbers in one file: a thousand classes measured on 50,000 pictures
BANK, HELD_OUT, PUZZLES = "bank", "held_out", "puzzles"  # sets of the reference that are no OOD set


@dataclass(frozen=True)
class Pack:
    """A network with all that is needed to judge a picture. Shared between threads: nothing in it changes.

    Attributes:
        name, classes; facts: the whole of pack.toml; network: in eval mode on `device`; preprocessing; selection; reference.
    """

    name: str
    classes: tuple
    facts: dict
    network: torch.nn.Module
    preprocessing: Preprocessing
    selection: Selection
    reference: Reference
    device: torch.device

    @cached_property
    def judge(self):
        """Return the `Judge` over this pack's reference, fitted at the first use."""
        return Judge(self.reference)

    def probe(self, images, **options):
        """Measure pictures that are (N, 3, S, S) uint8 as `preprocessing.see` gives them. Returns: Activations on the CPU."""
        options = {"blocks": self.selection.blocks, "means": (self.reference.middle,), **options}
        return probe_all(self.network, images, self.preprocessing, device=self.device, batch_size=max(1, len(images)), **options)

    def verdict(self, picture, *, detector=DEFAULT, keep=0.95):
        """Judge one picture: a path, encoded bytes, or an RGB `PIL.Image`.

        Returns: `core.verdict.Verdict`. Raises: InputError if it cannot be read.
        """
        if not hasattr(picture, "getpixel"):
            picture = decode(picture, near=self.preprocessing.size)
        activations = self.probe(stack([self.preprocessing.see(picture)]))
        return self.judge.judge(activations, self.classes, detector=detector, keep=keep)[0]


def load(name_or_folder, *, device=None):
    """Load a pack by name or folder.

    Raises: InputError if there is no such pack, or its files are missing, damaged or do not fit each other.
    """
    description = describe(name_or_folder)
    facts, folder = description.facts, description.folder
    for file in (WEIGHTS, REFERENCE):
        if not (folder / file).is_file():
            raise InputError(f"The pack {description.name} has no {file}; build it again.", key="pack.damaged", name=description.name)
    try:
        preprocessing = Preprocessing(**_with_tuples(facts["preprocessing"]))
        selection = _selection(facts["selection"])
        classes = tuple(facts["classes"])
        device = pick_device(device)
        options = facts.get("options", {})
        network = build.load(facts["arch"], folder / WEIGHTS, classes=len(classes), width=facts.get("width"), **options)
        if strange := [name for name in selection.blocks if name not in find_blocks(network)]:
            raise ValueError(f"{facts['arch']} has no block {strange[0]}")
        reference = _read_reference(folder, selection, facts["selection"]["middle"], head_of(network))
        check_reference(reference, len(classes))
    except (TypeError, LookupError, ValueError, AttributeError, RuntimeError, OSError, MemoryError, pa.ArrowException) as error:
        if isinstance(error, InputError) and str(error.key).startswith(("device", "unknown")):
            raise
        raise InputError(
            f"The pack {description.name} is damaged ({str(error).rstrip('.')}); build it again.", key="pack.damaged", name=description.name
        ) from error
    network = network.to(device, memory_format=torch.channels_last)
    return Pack(description.name, classes, facts, network, preprocessing, selection, reference, device)


def save(folder, *, facts, network, preprocessing, selection, reference):
    """Write a pack: all files into a folder beside, which then takes the place, so that no half of one is ever found.

    Args: facts: what pack.toml says beyond what the other arguments tell: arch, width, classes, training, figures, sets.
    Raises: InputError where the disk is full or may not be written.
    """
    with whole(folder, folder=True) as beside:
        beside.chmod(0o755)
        (beside / WEIGHTS).write_bytes(save_tensors(_halved(network.state_dict())))
        _write_reference(beside, reference)
        document = {
            "format": FORMAT,
            "detector": DEFAULT,
            **_without_none(facts),
            "preprocessing": {k: v for k, v in asdict(preprocessing).items() if v is not None},
            "selection": {**asdict(selection), "middle": reference.middle},
            "files": {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(beside.iterdir())},
        }
        (beside / "pack.toml").write_text(tomlkit.dumps(document), "utf-8")


def head_of(network):
    """Return (weight, bias) of the linear head as `core.probe.linear_head`, or None where the network has none, as SqueezeNet."""
    return linear_head(network) if find_head(network) else None


def halved(network):
    """Round a network's matrices to the half precision they are stored in, in place of a round trip through a file."""
    network.load_state_dict({k: v.to(network.state_dict()[k].dtype) for k, v in _halved(network.state_dict()).items()})
    return network


def _without_none(facts):
    """Leave out what is not known: TOML has no word for it."""
    return {k: _without_none(v) if isinstance(v, dict) else v for k, v in facts.items() if v is not None}


def _halved(state):
    return {k: (v.half() if v.ndim > 1 else v).cpu().contiguous() for k, v in state.items()}


def _selection(facts):
    known = {f.name for f in fields(Selection)}
    values = {k: v for k, v in facts.items() if k in known}
    values["by_permutation"] = tuple(tuple(row) for row in values["by_permutation"])
    return Selection(**_with_tuples(values))


def _with_tuples(values):
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}


def _write_reference(folder, reference):
    sets = {BANK: (reference.bank, reference.bank_labels), HELD_OUT: (reference.held_out, reference.held_out_labels)}
    unlabelled = {PUZZLES: reference.puzzles, **reference.unknown}
    sets |= {name: (a, torch.full((len(a),), -1)) for name, a in unlabelled.items() if a is not None}
    measured = {name: a for name, (a, _) in sets.items()}
    columns = {
        **_columns(measured),
        "label": pa.array(torch.cat([labels for _, labels in sets.values()]).numpy().astype(np.int16)),
        "middle": _rows([a.means[reference.middle] for a in measured.values()], np.float16),
    }
    _write(folder / REFERENCE, columns)
    if perturbed := {name: a.perturbed for name, a in measured.items() if a.perturbed is not None}:
        _write(folder / PERTURBED, _columns(perturbed))


def _columns(measured):
    """Return the columns of {set: Activations}."""
    return {
        "set": pa.array([name for name, a in measured.items() for _ in range(len(a))]).dictionary_encode(),
        "logits": _rows([a.logits for a in measured.values()], np.float32),
        "norms": _rows([a.norms for a in measured.values()], np.float32),
        "features": _rows([a.features for a in measured.values()], np.float16),
    }


def _write(file, columns):
    pq.write_table(pa.table(columns), file, compression="zstd", compression_level=19)


def _rows(tensors, dtype):
    values = torch.cat(tensors).numpy().astype(dtype)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])


def check_reference(reference, classes):
    """Check that the numbers of a pack fit its network and each other. Args: classes: how many. Raises: ValueError."""
    known = (BANK, reference.bank, reference.bank_labels, 0), (HELD_OUT, reference.held_out, reference.held_out_labels, -1)
    for name, measured, labels, least in known:
        if len(measured) < 2:
            raise ValueError(f"{REFERENCE} has {len(measured)} pictures in the set {name}")
        if labels.min() < least or labels.max() >= classes:
            raise ValueError(f"{REFERENCE} has labels from {labels.min()} to {labels.max()} for {classes} classes")
    everything = {BANK: reference.bank, HELD_OUT: reference.held_out, PUZZLES: reference.puzzles, **reference.unknown}
    widths = {"logits": classes, "norms": len(reference.bank.blocks), "features": reference.bank.features.shape[1]}
    if reference.head is not None and reference.head[0].shape != (classes, widths["features"]):
        raise ValueError(f"{REFERENCE} has features of {widths['features']} numbers, which are not what the network's head reads")
    for name, measured in ((name, part) for name, a in everything.items() if a is not None for part in (a, a.perturbed) if part is not None):
        if len(measured) != len(everything[name]):
            raise ValueError(f"{PERTURBED} has {len(measured)} pictures in the set {name}, and {REFERENCE} {len(everything[name])}")
        for column, width in widths.items():
            values = getattr(measured, column)
            if values.shape[1] != width:
                raise ValueError(f"a row of {column} has {values.shape[1]} numbers, expected {width}")
            if not torch.isfinite(values).all():
                raise ValueError(f"{column} of the set {name} hold NaN or infinity")
        if not all(torch.isfinite(values).all() for values in measured.means.values()):
            raise ValueError(f"means of the set {name} hold NaN or infinity")


def _read_table(file):
    """Read Parquet. Raises: ValueError where a file claims more numbers than memory should take."""
    with pq.ParquetFile(file) as parquet:  # `read_table` would import pandas, for half a second
        groups = [parquet.metadata.row_group(i) for i in range(parquet.metadata.num_row_groups)]
        claimed = sum(group.column(j).num_values for group in groups for j in range(group.num_columns))
        if claimed > MOST:
            raise ValueError(f"{file.name} claims {claimed:,} numbers, and at most {MOST:,} are read")
        return parquet.read()


def _read_reference(folder, selection, middle, head):
    table = _read_table(folder / REFERENCE)
    labels = torch.from_numpy(table.column("label").to_numpy().astype(np.int64))
    sets, rows = _read(table, selection.blocks, {middle: _matrix(table.column("middle"))})
    if missing := [name for name in (BANK, HELD_OUT) if name not in sets]:
        raise ValueError(f"{REFERENCE} lacks the set {missing[0]}")
    if (folder / PERTURBED).is_file():
        changed, _ = _read(_read_table(folder / PERTURBED), selection.blocks, {})
        sets |= {name: replace(sets[name], perturbed=a) for name, a in changed.items()}
    unknown = {name: a for name, a in sets.items() if name not in (BANK, HELD_OUT, PUZZLES)}
    known = sets[BANK], labels[rows[BANK]], sets[HELD_OUT], labels[rows[HELD_OUT]]
    return Reference(*known, unknown, selection.selected, middle, head, sets.get(PUZZLES))


def _read(table, blocks, means):
    """Return ({set: Activations}, {set: its rows})."""
    names = np.array(table.column("set").to_pylist())
    logits, features, norms = (_matrix(table.column(c)) for c in ("logits", "features", "norms"))
    everything = Activations(blocks, logits, features, norms, means)
    rows = {name: torch.from_numpy(np.flatnonzero(names == name)) for name in dict.fromkeys(names.tolist())}
    return {name: everything[of] for name, of in rows.items()}, rows


def _matrix(column):
    width = column.type.list_size
    values = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return torch.from_numpy(values.reshape(-1, width).astype(np.float32))
