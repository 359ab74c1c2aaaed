"""Tests that a page can paint before torch is there."""

import ast
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = {f.stem for f in (ROOT / "dashboard" / "views").glob("*.py")}
HEAVY = ("torch", "torchvision", "sklearn", "scipy")

IMPORT_ALL = f"""
import importlib, json, sys
from pathlib import Path
files = [f for f in sorted(Path("dashboard").rglob("*.py")) if f.parent.name != "views" and f.name != "app.py"]
names = [".".join(f.with_suffix("").parts).removesuffix(".__init__") for f in files]
for name in names:
    importlib.import_module(name)
print(json.dumps([names, [m for m in {HEAVY} if m in sys.modules]]))
"""


def test_importing_the_dashboard_leaves_torch_out():
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL], cwd=ROOT, capture_output=True, text=True, check=True)
    names, heavy = json.loads(done.stdout.splitlines()[-1])
    assert {"dashboard.language", "dashboard.compute", "dashboard.parts.frame", "dashboard.parts.picker", "dashboard.charts.verdict"} <= set(names)
    assert heavy == []


def test_pages_import_torch_nowhere_at_the_top():
    for file in sorted((ROOT / "dashboard").rglob("*.py")):
        top = [n for n in ast.parse(file.read_text("utf-8")).body if isinstance(n, ast.Import | ast.ImportFrom)]
        names = {(n.module or "") if isinstance(n, ast.ImportFrom) else a.name for n in top for a in n.names}
        assert not [n for n in names if n.split(".")[0] in HEAVY], file
