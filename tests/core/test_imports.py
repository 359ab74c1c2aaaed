"""Menus and --help must come at once: the tables are plain data."""

import subprocess
import sys
from pathlib import Path


def test_the_tables_need_no_torch():
    tables = "core.corruptions, core.networks, core.detectors, core.training, core.adaptation, core.packs, core.scoring, core.explanation, core.compression"
    code = f"import core, {tables}, core.report, core.words, sys; print({{'torch', 'torchvision'}} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
