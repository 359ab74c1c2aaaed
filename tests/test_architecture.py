"""What docs/architecture.md says of rooms and imports is what the files do, and what it and CONTRIBUTING.md name is there."""

import ast
import json
import re
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "architecture.md").read_text("utf-8")
TABLES = "detectors corruptions adaptation training explanation compression networks packs scoring report words".split()
TURNS_BACK = {("core.packs.live", "core.cli"), ("core.training.live", "core.cli")}  # inside functions: an order is parsed when its work begins
ON_DEMAND = {("core.packs", "core.packs.pack")}  # a package that imports a module of its own when a function is called

ALONE = f"""
import importlib, json, sys
from pathlib import Path
for file in sorted(Path("dashboard/charts").glob("*.py")):
    importlib.import_module(f"dashboard.charts.{{file.stem}}")
charts = set(sys.modules)
for name in {TABLES}:
    importlib.import_module(f"core.{{name}}")
heavy = {{"torch", "torchvision", "streamlit", "sklearn", "scipy", "pandas", "pyarrow"}}
print(json.dumps([sorted(name for name in charts if name.split(".")[0] == "core"), sorted(heavy & charts), sorted(heavy & set(sys.modules))]))
"""


def name_of(file):
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def modules():
    """Return {name: file} of core and of the dashboard."""
    return {name_of(file): file for package in ("core", "dashboard") for file in sorted((ROOT / package).rglob("*.py"))}


@cache
def imports():
    """Return {module: {(module or package that it imports, whether inside a function)}}."""
    return {name: set(_imported(ast.parse(file.read_text("utf-8")))) for name, file in modules().items()}


def _imported(node, inside=False):
    """Yield what a tree imports, but for what it does as a program; a name out of a package counts as the module of that name where there is one."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, inside) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports are absolute"
            for alias in child.names:
                module = f"{child.module}.{alias.name}"
                yield (module if module in modules() else child.module), inside
        elif not (isinstance(child, ast.If) and "__name__" in ast.unparse(child.test)):
            yield from _imported(child, inside or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))


def ours():
    """Yield (module, module that it imports, whether inside a function) within core and the dashboard."""
    for name, found in imports().items():
        yield from ((name, other, inside) for other, inside in found if other in modules())


def across():
    """Yield (module, module, whether inside a function, box, box) for the imports between rooms that are drawn."""
    boxes, _ = diagram()
    for one, other, inside in ours():
        if room(one) in boxes and room(other) in boxes:
            yield one, other, inside, boxes[room(one)], boxes[room(other)]


def room(module):
    """Return the package below core or dashboard, or the file beside them: core.detectors.knn -> core.detectors."""
    return ".".join(module.split(".")[:2])


def rooms():
    return {room(name) for name in modules() if "." in name}


@cache
def diagram():
    """Return ({room: box}, {(box, box that it may import)}) as the document draws them."""
    drawing = re.search(r"```mermaid\n(.*?)```", DOCUMENT, re.DOTALL)[1]
    boxes = {}
    for package, inside in re.findall(r"subgraph (\w+)\n(.*?)\n  end", drawing, re.DOTALL):
        for box, listed in re.findall(r'(\w+)\["<b>[^"]+</b><br/>([^"]+)"\]', inside):
            for name in listed.split(", "):
                assert f"{package}.{name}" not in boxes, f"{name} stands in two boxes"
                boxes[f"{package}.{name}"] = box
    return boxes, set(re.findall(r"(\w+) --> (\w+)", drawing))


def below(box):
    """Return the boxes that the arrows from one reach."""
    _, arrows = diagram()
    found, ahead = set(), [box]
    while ahead:
        new = {end for start, end in arrows if start == ahead[-1]} - found
        ahead.pop()
        found |= new
        ahead += new
    return found


def circle(edges):
    """Return a circle among (one, other) pairs, or None."""
    graph = {}
    for one, other in edges:
        graph.setdefault(one, set()).add(other)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return None


def test_every_room_stands_in_one_box():
    assert set(diagram()[0]) == rooms(), "draw each package, and each file beside them, in docs/architecture.md"


def test_every_package_has_its_line():
    packages = {name for name, file in modules().items() if file.name == "__init__.py" and name.count(".") == 1}
    told = set(re.findall(r"^\| `(\w+)/` \|", DOCUMENT, re.MULTILINE))
    assert told == {name.split(".")[1] for name in packages} | {"views"}  # views are run, not imported: no package


def test_the_arrows_go_one_way():
    assert circle(diagram()[1]) is None


def test_imports_go_along_the_arrows():
    reached = {box: {box, *below(box)} for box in diagram()[0].values()}
    against = [f"{one} imports {other}" for one, other, _, start, end in across() if end not in reached[start] and (one, other) not in TURNS_BACK]
    assert not against


def test_every_arrow_is_an_import_and_none_is_implied_by_others():
    _, arrows = diagram()
    assert arrows <= {(start, end) for *_, start, end in across()}
    assert not [(start, end) for start, end in arrows if any(end in below(other) for begin, other in arrows if begin == start and other != end)]


def test_what_turns_back_still_does():
    """Else its line here and in the document is to go."""
    lazy = {(one, other) for one, other, inside in ours() if inside}
    assert lazy >= TURNS_BACK | ON_DEMAND
    assert all(f"`{one}`" in DOCUMENT and f"`{other}`" in DOCUMENT for one, other in TURNS_BACK)


def test_no_module_imports_itself_in_a_circle():
    assert circle((one, other) for one, other, inside in ours() if not inside) is None
    assert circle((one, other) for one, other, _ in ours() if (one, other) not in ON_DEMAND) is None


def test_a_circle_would_be_found():
    assert circle([("a", "b"), ("b", "c"), ("c", "a")]) and circle([("a", "b"), ("a", "c"), ("b", "c")]) is None


@pytest.mark.parametrize(
    ("who", "never"),
    [
        ("core", ("dashboard", "streamlit", "benchmarks", "tests")),
        ("dashboard", ("benchmarks", "tests", "dashboard.views", "dashboard.app")),
        ("dashboard.charts", ("streamlit", "torch", "dashboard.language", "dashboard.parts", "dashboard.compute", "dashboard.caches")),
        ("dashboard.language", ("dashboard.compute", "dashboard.charts")),
    ],
)
def test_who_never_imports_what(who, never):
    found = [(name, other) for name, all in imports().items() if f"{name}.".startswith(f"{who}.") for other, _ in all]
    assert found
    assert not [pair for pair in found if f"{pair[1]}.".startswith(tuple(f"{one}." for one in never))]


@pytest.mark.parametrize("document", [DOCUMENT, (ROOT / "CONTRIBUTING.md").read_text("utf-8")], ids=["architecture", "contributing"])
def test_what_the_documents_name_is_there(document):
    paths = set(re.findall(r"(?<![\w/.])((?:core|dashboard|parts|charts|views|tests|benchmarks|tools|docs|assets)/[\w./]*\w)", document))
    names = set(re.findall(r"`(?:dashboard\.)?((?:core|parts|charts|caches)\.[\w.]+)", document))
    assert len(paths) > 10 and len(names) > 5
    invented = ("NAME", "margin")  # what the reader is to write
    assert not [path for path in paths if not any((ROOT / above / path).exists() for above in ("", "dashboard")) and not any(word in path for word in invented)]
    assert not [name for name in names if not is_there(name) and not any(word in name for word in invented)]


def is_there(name):
    """Tell whether a name is a module, or stands in one: core.disk, core.device.share_cores, parts.link.remember."""
    name = name if name.startswith("core.") else f"dashboard.{name}"
    module = max((m for m in modules() if f"{name}.".startswith(f"{m}.")), key=len)
    attribute = name.removeprefix(module).strip(".").partition(".")[0]
    return re.search(rf"^(def|class) {attribute}\b|^{attribute} = ", modules()[module].read_text("utf-8"), re.MULTILINE) if attribute else True


def test_charts_and_tables_are_light():
    done = subprocess.run([sys.executable, "-c", ALONE], cwd=ROOT, capture_output=True, text=True, check=True)
    of_core, heavy_in_charts, heavy = json.loads(done.stdout.splitlines()[-1])
    assert set(map(room, of_core)) <= {"core", "core.errors", "core.table", "core.explanation"}  # for core.explanation.drawing, and its package
    assert heavy_in_charts == heavy == []
