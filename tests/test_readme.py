"""What the README shows runs as it stands."""

import io
import re
import textwrap
import tomllib
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from PIL import Image

from core import VERSION
from core.cli import main
from core.images.sources import open_source

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def test_one_version_stands_everywhere(capsys):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    released = re.findall(r"^## \[(\d[^\]]*)\] - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert project["version"] == VERSION == released[0]
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"blockscope {VERSION}\n"


def test_the_example_of_the_library_runs(tmp_path, monkeypatch):
    section = README.partition("## As a library and as a service\n")[2]
    example = re.match(r"\n((?:    .*\n|\n)+)", section).group(1)
    Image.fromarray(open_source("toybox:test")[2].data).save(tmp_path / "cat.jpg")
    monkeypatch.chdir(tmp_path)
    with redirect_stdout(io.StringIO()) as printed:
        exec(textwrap.dedent(example), {})  # the README's own text
    verdict, name, p_value = printed.getvalue().split()
    assert (verdict, name) == ("ID", "duck") and 0.05 < float(p_value) <= 1
