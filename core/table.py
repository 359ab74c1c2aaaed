"""Tables of methods as plain data: a name, its title, where its code is, its parameters, its paper, its formula.

Reading a table imports nothing; only `Entry.load` imports the module behind a line.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from types import MappingProxyType

from core.errors import unknown


@dataclass(frozen=True)
class Entry:
    """One line of a table.

    Attributes: target: "module:attribute"; parameters: its keyword arguments; needs: what it cannot do without; formula: one line of TeX without
        dollar signs, whose letters the table's legend explains.
    """

    title: str
    target: str
    parameters: Mapping = field(default_factory=lambda: MappingProxyType({}))
    paper: str = ""
    needs: tuple = ()
    formula: str = ""

    def load(self):
        module, attribute = self.target.split(":")
        return getattr(import_module(module), attribute)


def with_formulas(table, formulas):
    """Return a table whose lines have their formulas, which stand in a module beside it. Args: table: {name: Entry}; formulas: {name: TeX}."""
    return {name: replace(entry, formula=formulas.get(name, entry.formula)) for name, entry in table.items()}


def look_up(table, name, *, kind):
    """Return `table[name]`. Raises: InputError naming the known ones."""
    if name not in table:
        raise unknown(kind, name, table)
    return table[name]
