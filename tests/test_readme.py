"""What the README shows runs as it stands."""

import io
import re
import textwrap
from contextlib import redirect_stdout
from pathlib import Path

from PIL import Image

from core.images.sources import open_source

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")


def test_the_example_of_the_library_runs(tmp_path, monkeypatch):
    section = README.partition("## As a library and as a service\n")[2]
    example = re.match(r"\n((?:    .*\n|\n)+)", section).group(1)
    Image.fromarray(open_source("toybox:test")[2].data).save(tmp_path / "cat.jpg")
    monkeypatch.chdir(tmp_path)
    with redirect_stdout(io.StringIO()) as printed:
        exec(textwrap.dedent(example), {})  # the README's own text
    verdict, name, p_value = printed.getvalue().split()
    assert (verdict, name) == ("ID", "duck") and 0.05 < float(p_value) <= 1
