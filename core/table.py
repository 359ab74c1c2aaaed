"""Tables of methods as plain data: a name, its title, where its code is, its parameters, its paper.

Reading a table imports nothing; only `Entry.load` imports the module behind a line.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType

from core.errors import unknown


@dataclass(frozen=True)
class Entry:
    """One line of a table: `target` is "module:attribute", `parameters` its keyword arguments, `needs` what it cannot do without."""

    title: str
    target: str
    parameters: Mapping = field(default_factory=lambda: MappingProxyType({}))
    paper: str = ""
    needs: tuple = ()

    def load(self):
        module, attribute = self.target.split(":")
        return getattr(import_module(module), attribute)


def look_up(table, name, *, kind):
    """Return `table[name]`. Raises: InputError naming the known ones."""
    if name not in table:
        raise unknown(kind, name, table)
    return table[name]
