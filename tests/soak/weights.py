"""Files of weights made to harm whoever loads them: {what it is: function of a folder that writes one and returns its path}."""

import json
import os
import pickle
import struct
import tarfile
import zipfile

import torch
from safetensors.torch import save_file

SENTINEL = "code-ran"  # the file that code in a pickle would leave beside it


class Code:
    """Opens a file for writing where it is unpickled. Args: mark: its path."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return open, (self.mark, "w")


def header(folder, name, entries, data=b"", *, length=None):
    """Write safetensors. Args: entries: of its header, or the header's bytes; length: what the file says of the header's length."""
    text = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return _written(folder, f"{name}.safetensors", struct.pack("<Q", len(text) if length is None else length) + text + data)


def tensor_file(folder, name, *, claimed=4, size=(4,), strides=(1,), key=b"X\x08\0\0\0a.weight", data=bytes(16), compressed=False, body=None):
    """Write what torch.save writes of {key: one tensor}. Args: claimed: values that its storage says to have; body: the pickle instead."""
    body = body or (
        b"\x80\x02}%bctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpu%btQK\0%b%b\x89"
        b"ccollections\nOrderedDict\n)RtRs." % (key, _number(claimed), _tuple(size), _tuple(strides))
    )
    path = folder / f"{name}.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as archive:
        for part, content in {"data.pkl": body, "byteorder": b"little", "data/0": data, "version": b"3\n"}.items():
            archive.writestr(f"{name}/{part}", content)
    return path


def exported(folder, name, *, compressed=False, padding=0, **changed):
    """Write what torch.export writes of one weight. Args: changed: of its description; padding: blanks behind that."""
    meta = {"dtype": 7, "sizes": [{"as_int": 4}], "strides": [{"as_int": 1}], "storage_offset": {"as_int": 0}} | changed.pop("meta", {})
    text = json.dumps({"config": {"a.weight": {"path_name": "weight_0", "use_pickle": False, "tensor_meta": meta} | changed}}) + " " * padding
    path = folder / f"{name}.pt2"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as archive:
        archive.writestr("a/data/weights/model_weights_config.json", text)
        archive.writestr("a/data/weights/weight_0", bytes(16))
    return path


def _number(n):
    return b"\x8a\x09" + n.to_bytes(9, "little", signed=True)


def _tuple(numbers):
    return b"(" + b"".join(map(_number, numbers)) + b"t"


def _written(folder, name, data):
    (folder / name).write_bytes(data)
    return folder / name


def _saved(folder, name, content, **options):
    torch.save(content, folder / name, **options)
    return folder / name


def _tar(folder):
    path = folder / "tar.pt"
    with tarfile.open(path, "w") as archive:
        (folder / "pickle").write_bytes(pickle.dumps(Code(folder / SENTINEL)))
        archive.add(folder / "pickle", "../../pickle")
    (folder / "pickle").unlink()
    return path


def _link(folder):
    (folder / "link.safetensors").symlink_to("/etc/passwd")
    return folder / "link.safetensors"


def _pipe(folder):
    os.mkfifo(folder / "pipe.pt")
    return folder / "pipe.pt"


def _folder(folder):
    (folder / "folder.safetensors").mkdir()
    return folder / "folder.safetensors"


def _plain(folder, name, state):
    save_file(state, folder / name)
    return folder / name


def _filled(value, folder):
    """Write a whole network one of whose weights is not finite."""
    from core.networks.build import create

    state = {key: tensor.clone() for key, tensor in create("cifar_resnet20", width=4).state_dict().items()}
    state["layer2.0.conv1.weight"][0, 0, 0, 0] = value
    return _plain(folder, "filled.safetensors", state)


def _deep(folder):
    """Write a network of 5,000 blocks, each of one number."""
    return _plain(folder, "deep.safetensors", {f"layer1.{i}.conv1.weight": torch.zeros(1) for i in range(5_000)} | {"conv1.weight": torch.zeros(16, 3, 3, 3)})


def _none(*shape):
    """Return the entry of a weight that has a shape, and no bytes."""
    return {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}


TERABYTE = {"a.weight": {"dtype": "F32", "shape": [2**38], "data_offsets": [0, 2**40]}}
SMALL = {"a.weight": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}
REFUSED = {
    "no bytes": lambda f: _written(f, "empty.safetensors", b""),
    "no bytes, as pickle": lambda f: _written(f, "empty.pt", b""),
    "a folder": _folder,
    "a pipe": _pipe,
    "a device": lambda f: "/dev/zero",
    "a name of 5,000 characters": lambda f: f / ("x" * 5000),
    "a zero byte in the name": lambda f: str(f / "a\0b.pt"),
    "a link to another file": _link,
    "code in a zip": lambda f: _saved(f, "zip.pt", {"a.weight": torch.ones(2), "extra": Code(f / SENTINEL)}),
    "code in the old format": lambda f: _saved(f, "old.pth", {"extra": Code(f / SENTINEL)}, _use_new_zipfile_serialization=False),
    "code in a bare pickle": lambda f: _written(f, "bare.pth", pickle.dumps({"state_dict": Code(f / SENTINEL)})),
    "code named safetensors": lambda f: _written(f, "named.safetensors", pickle.dumps(Code(f / SENTINEL))),
    "code named pt2": lambda f: _saved(f, "named.pt2", Code(f / SENTINEL)),
    "code in a tar": _tar,
    "a terabyte, declared": lambda f: header(f, "terabyte", TERABYTE, bytes(16)),
    "a header that is said to be 9 EB long": lambda f: header(f, "exabytes", SMALL, bytes(16), length=2**63),
    "a header that is said to be empty": lambda f: header(f, "nothing", SMALL, bytes(16), length=0),
    "a header that reaches into the data": lambda f: header(f, "reaching", SMALL, bytes(16), length=80),
    "a header of brackets": lambda f: header(f, "brackets", b"[" * 100_000),
    "weights that overlap": lambda f: header(f, "overlap", SMALL | {"b": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}, bytes(16)),
    "a shape that overflows": lambda f: header(f, "overflow", {"a": {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 16]}}, bytes(16)),
    "a type that nobody knows": lambda f: header(f, "type", {"a": {"dtype": "F7", "shape": [4], "data_offsets": [0, 16]}}, bytes(16)),
    "10 TB in a zip, declared": lambda f: tensor_file(f, "claims", claimed=10**13, size=(10**13,)),
    "4 GB in a zip of 64 bytes": lambda f: tensor_file(f, "more", claimed=10**9, size=(10**9,)),
    "one number shown 10^12 times": lambda f: tensor_file(f, "strides", size=(10**6, 10**6), strides=(0, 0)),
    "steps that lead out of the numbers": lambda f: tensor_file(f, "steps", size=(4,), strides=(10**9,)),
    "steps back": lambda f: tensor_file(f, "back", size=(4,), strides=(-1,)),
    "a zip that unpacks to 80 MB": lambda f: tensor_file(f, "bomb", claimed=20 * 2**20, size=(20 * 2**20,), data=bytes(80 * 2**20), compressed=True),
    "a dict that lies in itself": lambda f: tensor_file(f, "itself", body=b"\x80\x02}q\0X\x05\0\0\0modelh\0s."),
    "names that are numbers": lambda f: tensor_file(f, "numbers", key=b"K\x05"),
    "sparse weights": lambda f: _saved(f, "sparse.pt", {"a.weight": torch.eye(3).to_sparse()}),
    "weights without values": lambda f: _saved(f, "meta.pt", {"a.weight": torch.empty(3, device="meta")}),
    "complex weights": lambda f: _saved(f, "complex.pt", {"a.weight": torch.ones(3, dtype=torch.complex64)}),
    "a list": lambda f: _saved(f, "list.pt", [torch.ones(3)]),
    "NaN": lambda f: _filled(float("nan"), f),
    "infinity": lambda f: _filled(float("-inf"), f),
    "exported, and pickled": lambda f: exported(f, "pickled", use_pickle=True),
    "exported, and 10 TB": lambda f: exported(f, "large", meta={"sizes": [{"as_int": 10**13}]}),
    "exported, and one number shown 10^12 times": lambda f: exported(f, "repeated", meta={"sizes": [{"as_int": 10**12}], "strides": [{"as_int": 0}]}),
    "exported, from another folder": lambda f: exported(f, "elsewhere", path_name="../../../../etc/passwd"),
    "exported, and of the wrong types": lambda f: exported(f, "types", meta={"dtype": "x", "sizes": 7}),
    "exported, and a description of 80 MB": lambda f: exported(f, "padded", padding=80 * 2**20, compressed=True),
}
UNFIT = {  # that can be read, but are of no network that can be used
    "5,000 blocks": _deep,
    "a head of 10^12 classes": lambda f: header(f, "classes", {"fc.weight": _none(10**12, 0), "layer4.0.conv2.weight": _none(0)}),
    "no shape where one is needed": lambda f: _plain(
        f, "shape.safetensors", {"layer1.0.conv3.weight": torch.zeros(1), "layer1.0.conv2.weight": torch.zeros(())}
    ),
    "a kernel of no groups": lambda f: _plain(f, "groups.safetensors", {"layer1.0.conv3.weight": torch.zeros(1), "layer1.0.conv2.weight": torch.zeros(8, 0)}),
    "positions of nothing": lambda f: _plain(
        f, "vit.safetensors", {"conv_proj.weight": torch.zeros(8, 3, 2, 0), "encoder.pos_embedding": torch.zeros(1, 0, 8)}
    ),
    "a width of 10^9": lambda f: header(f, "wide", {"conv1.weight": _none(10**9, 3, 3, 0), "layer1.0.a": _none(0)}),
    "other keys": lambda f: _plain(f, "keys.safetensors", {"</code><script>alert(1)</script>": torch.zeros(2)}),
}
