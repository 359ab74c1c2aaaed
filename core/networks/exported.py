"""Read the weights out of a .pt2 file of torch.export, without loading the program in it.

`torch.export.load` unpickles sample inputs and odd tensors, and evaluates the expressions of dynamic shapes: a file from elsewhere could run code.
The weights themselves lie in the archive as plain bytes, each described in JSON, under the names that they have in the network; so
nothing but these is read, and the network is made anew by its architecture, whose blocks are known.
"""

import json
import math
import struct
import zipfile
import zlib
from pathlib import Path

import torch

TYPES = {1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64", 12: "bool", 13: "bfloat16"}  # of the format
DAMAGED = (ValueError, LookupError, TypeError, AttributeError, RuntimeError, OSError, EOFError, MemoryError, struct.error, zipfile.BadZipFile, zlib.error)
SHARED = 8  # how often a file may hand out each of its bytes: layers with tied weights share theirs
LONGEST = 64 * 2**20  # bytes of what describes the weights: some hundred for each
FOLDER, CONFIG = "data/weights/", "model_weights_config.json"


def read_exported(file):
    """Return the state dict of a .pt2 file: parameters and buffers by their names in the network that was exported.

    Raises: `DAMAGED` for a file that is none or is damaged, whose weights are pickled, or that would grow as it is read.
    """
    with zipfile.ZipFile(file) as archive:
        config = next((name for name in archive.namelist() if name.endswith(FOLDER + CONFIG)), None)
        if config is None:
            raise ValueError("it describes no weights, as older versions of torch.export")
        if archive.getinfo(config).file_size > LONGEST:
            raise ValueError("what describes its weights is too long")
        described = json.loads(archive.read(config))["config"]
        claimed = sum(math.prod(axis["as_int"] for axis in entry["tensor_meta"]["sizes"]) for entry in described.values())
        if claimed > SHARED * Path(file).stat().st_size:
            raise ValueError("its weights claim more values than it has")
        return {name: _tensor(archive, config.removesuffix(CONFIG) + entry["path_name"], entry) for name, entry in described.items()}


def _tensor(archive, path, entry):
    if entry["use_pickle"]:
        raise ValueError("its weights are pickled")
    meta = entry["tensor_meta"]
    dtype = getattr(torch, TYPES[meta["dtype"]])
    sizes, strides = ([axis["as_int"] for axis in meta[of]] for of in ("sizes", "strides"))
    if archive.getinfo(path).compress_type != zipfile.ZIP_STORED:
        raise ValueError("its weights are compressed")
    data = bytearray(archive.read(path))
    values = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
    if math.prod(sizes) > len(values):
        raise ValueError("a weight claims more values than it has")
    return values.as_strided(sizes, strides, meta["storage_offset"]["as_int"]).clone()  # checks that it stays within the bytes
