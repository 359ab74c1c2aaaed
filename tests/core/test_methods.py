"""The page of all methods, and what the command lists of them."""

import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from matplotlib.mathtext import MathTextParser

from core.cli import main
from core.methods import TABLES, first_paragraph, lines, markdown, parameters, rows, says
from core.table import Entry

ROOT = Path(__file__).parents[2]
EVERY = [pytest.param(table, name, id=f"{table}-{name}") for table, found in TABLES.items() for name in found.entries]
PARSE = MathTextParser("path").parse


def printed(capsys, *arguments):
    code = main(["methods", *arguments])
    return code, *capsys.readouterr()


def test_the_page_is_what_the_command_prints(capsys):
    code, out, _ = printed(capsys, "--markdown")
    assert code == 0
    assert out == (ROOT / "docs" / "methods.md").read_text("utf-8"), "run: python -m core methods --markdown > docs/methods.md"
    assert all(f"\n### {entry.title}: `{name}`\n" in out for found in TABLES.values() for name, entry in found.entries.items())


def test_the_page_of_one_table_is_a_part_of_the_page():
    part = markdown(["training"]).partition("\n## ")[2]
    assert part.startswith("Training\n") and part in markdown() and "`tent`" not in part


@pytest.mark.parametrize(("table", "name"), EVERY)
def test_every_method_says_what_it_does_and_has_its_formula(table, name):
    entry = TABLES[table].entries[name]
    sentence = says(entry)
    assert sentence.endswith(".") and len(sentence.split()) >= 4 and not re.search(r"\b(Args|Returns|Attributes):", sentence)
    assert entry.formula or table == "corruptions"


@pytest.mark.parametrize(("table", "name"), [one for one in EVERY if TABLES[one.values[0]].entries[one.values[1]].formula])
def test_every_formula_is_one_line_of_tex_that_markdown_leaves_alone(table, name):
    formula = TABLES[table].entries[name].formula
    PARSE(f"${formula}$")  # raises for unknown commands, and for braces and \left that nothing closes
    assert "\n" not in formula and "$" not in formula
    assert not re.search(r"\\[^A-Za-z]|<\S", formula)  # Markdown takes a backslash before a comma or brace away, and reads <x as a tag


def test_a_formula_with_an_open_brace_would_be_noticed():
    for wrong in (r"\frac{1}{n", r"\left( x", r"\summ_i x"):
        with pytest.raises(ValueError):
            PARSE(f"${wrong}$")


@pytest.mark.parametrize("table", TABLES)
def test_a_table_has_no_formula_of_a_method_that_it_lacks_and_a_legend(table):
    module = import_module(f"core.{table}.formulas")
    assert set(module.FORMULAS) <= set(TABLES[table].entries)
    for part in re.findall(r"\$([^$]*)\$", module.LEGEND):
        PARSE(f"${' '.join(part.split())}$")


def test_the_command_lists_every_method_of_a_table_or_of_all(capsys):
    code, out, _ = printed(capsys)
    assert code == 0 and [line.split()[:2] for line in out.splitlines()[1:]] == [[row["table"], row["name"]] for row in rows()]
    assert sum(len(found.entries) for found in TABLES.values()) == len(rows())
    code, out, _ = printed(capsys, "detectors", "--json")
    found = {row["name"]: row for row in json.loads(out)}
    assert code == 0 and list(found) == list(TABLES["detectors"].entries)
    assert found["gen"]["parameters"] == {"gamma": 0.1, "top": 100} and found["gen"]["source"] == "Liu et al., CVPR 2023"
    assert found["knn"]["formula"].startswith("s(x) = -")
    code, out, err = printed(capsys, "fruit")
    assert code == 2 and out == "" and "There is no table named 'fruit'; the known ones are adaptation, corruptions" in err


def test_the_list_needs_no_torch():
    code = "import sys; from core.methods import lines, rows; lines(rows()); print({'torch', 'torchvision'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout == "set()\n"


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        (None, ""),
        ("Add noise. Severity: how much.\n\n    More of it.", "Add noise. Severity: how much."),
        ("Do this\n    and that. Args: x: a number.", "Do this and that."),
        ("Args: x: a number. Returns: another.", ""),
        ("Attributes, of the last batch: none.", ""),
        ("Cut off. Source: Sun et al., 2021.", "Cut off."),
        ("The source model: nothing adapts.", "The source model: nothing adapts."),
    ],
)
def test_a_docstring_is_read_up_to_its_arguments(docstring, expected):
    assert first_paragraph(docstring) == expected


def test_what_has_no_docstring_is_described_by_its_module():
    assert says(Entry("No docstring", "core.adaptation.norms:has_norm")).startswith("Normalisation layers of a copy that adapts: whose statistics")


def test_parameters_are_short():
    assert parameters({"k": 50, "eps": 2 / 255, "block": None}) == "k = 50, eps = 0.007843, block = None"
    assert lines(rows(["training"]))[1][-1] == "-"
