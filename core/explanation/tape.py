"""Record the operations of one forward pass, so that relevance can be sent back through them.

A `TorchFunctionMode` holds for its thread alone and needs no hooks, whatever modules the network is written with. Operations in place are
carried out beside: what they would overwrite is needed on the way back.
"""

from dataclasses import dataclass

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


@dataclass(frozen=True)
class Step:
    """One operation: the function, what it was given, and the tensor it returned."""

    function: object
    given: tuple
    options: dict
    output: torch.Tensor


class Tape(TorchFunctionMode):
    """Attributes: steps: a `Step` for each operation that returned a tensor, in order."""

    BESIDE = {torch.Tensor.__iadd__: torch.add, torch.Tensor.add_: torch.add, torch.relu_: torch.relu, torch.Tensor.relu_: torch.relu}

    def __init__(self):
        super().__init__()
        self.steps = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        function, options = self.BESIDE.get(function, function), dict(kwargs or {})
        if function in (F.relu, F.dropout):
            options["inplace"], args = False, args[:1]
        output = function(*args, **options)
        if isinstance(output, torch.Tensor):
            given = tuple(tuple(value) if isinstance(value, list) else value for value in args)  # a list may grow afterwards
            self.steps.append(Step(function, given, options, output))
        return output
