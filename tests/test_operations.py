"""What is released and what is written about running it: against the code and against each other."""

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from streamlit import config

from core import logs
from core.limits import PREFIX, Limits

ROOT = Path(__file__).parents[1]
DOCS = (ROOT / "docs" / "operations.md").read_text("utf-8")
MACHINES = [
    {"sys_platform": system, "platform_machine": machine, "python_version": python, "python_full_version": f"{python}.1", "platform_system": name}
    for system, machine, name in (("linux", "x86_64", "Linux"), ("linux", "aarch64", "Linux"), ("darwin", "arm64", "Darwin"), ("win32", "AMD64", "Windows"))
    for python in ("3.11", "3.12", "3.13")
]


def listed(name):
    lines = [line.split("#")[0].strip() for line in (ROOT / name).read_text("utf-8").splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


def locked():
    """Return [(Requirement, [hashes])] of the lock."""
    text = re.sub(r"^#.*\n", "", (ROOT / "requirements.lock").read_text("utf-8"), flags=re.MULTILINE)
    entries = [entry.split("--hash=") for entry in text.replace("\\\n", " ").splitlines()]
    return [(Requirement(entry.strip()), [value.strip() for value in hashes]) for entry, *hashes in entries]


def test_every_version_of_the_lock_is_exact_and_has_hashes_and_no_address_is_in_it():
    entries = locked()
    assert len(entries) > 50
    for requirement, hashes in entries:
        assert [spec.operator for spec in requirement.specifier] == ["=="] and requirement.url is None, requirement
        assert hashes and all(re.fullmatch("sha256:[0-9a-f]{64}", value) for value in hashes), requirement
    assert "://" not in (ROOT / "requirements.lock").read_text("utf-8")


@pytest.mark.parametrize("machine", MACHINES, ids=lambda m: f"{m['sys_platform']}-{m['platform_machine']}-{m['python_version']}")
def test_the_lock_has_one_version_within_the_lists_for_every_machine(machine):
    environment, versions = {**default_environment(), **machine}, {}
    for requirement, _ in locked():
        if requirement.marker is None or requirement.marker.evaluate(environment):
            assert canonicalize_name(requirement.name) not in versions, requirement
            versions[canonicalize_name(requirement.name)] = next(iter(requirement.specifier)).version
    for requirement in [*listed("requirements.txt"), *listed("requirements-signin.txt")]:
        assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)]), requirement


def test_the_audit_says_what_was_not_audited():
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("audit", ROOT / "tools" / "audit.py")
    audit = module_from_spec(spec)
    spec.loader.exec_module(audit)
    fine, skipped = {"name": "a", "version": "1", "vulns": []}, {"name": "b", "skip_reason": "Dependency not found: b (1)"}
    hole = {"name": "c", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
    assert audit.conclude({"dependencies": [fine]}) == (["1 packages audited, 0 known holes"], 0)
    lines, code = audit.conclude({"dependencies": [fine, skipped, hole]})
    assert code == 1 and lines[0] == "c 2: PYSEC-1, mended in 3" and lines[-1].startswith("not audited: 1 of 3 packages")
    assert audit.conclude({"dependencies": [skipped]}) == (["not audited: 1 of 1 packages (Dependency not found: b (1))"], 0)
    lines, code = audit.conclude(None, "Traceback\nrequests.exceptions.ConnectionError: api is away")
    assert code == 0 and lines[0].startswith("not audited: the database could not be reached")
    assert audit.conclude(None, "usage: pip-audit\nerror: no such option")[1] == 2


def test_the_image_installs_by_hash_runs_as_nobody_and_takes_nothing_that_is_secret():
    steps = re.sub(r"\\\n\s*", " ", (ROOT / "Containerfile").read_text("utf-8")).splitlines()
    steps = [step for step in steps if step and not step.startswith("#")]
    words = [step.split()[0] for step in steps]
    assert any("--require-hashes -r requirements.lock" in step for step in steps if step.startswith("RUN"))
    users = [step.split()[1] for step in steps if step.startswith("USER")]
    assert users and users[-1] not in ("root", "0") and words.index("USER") < words.index("CMD")
    [health] = [step for step in steps if "/_stcore/health" in step]
    assert "HEALTHCHECK" in words and "8501" in health and "EXPOSE 8501" in steps and "VOLUME /data" in steps
    copied = [part for step in steps if step.startswith(("COPY", "ADD")) for part in step.split()[1:-1]]
    assert copied and all(part.strip("./") and ".git" not in part and "secret" not in part and (ROOT / part).exists() for part in copied)
    ignore = (ROOT / ".containerignore").read_text("utf-8").splitlines()
    assert ignore[1] == "*" and ignore[-1] == "**/secrets.toml"  # nothing but what is named, and the last line wins
    allowed = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    assert set(copied) <= allowed
    assert ".streamlit/secrets.toml" in (ROOT / ".gitignore").read_text("utf-8").splitlines()


def test_the_table_of_limits_is_that_of_the_code():
    rows = {name: int(value) for name, value in re.findall(rf"^\| `({PREFIX}\w+)` \| (\d+) \|", DOCS, re.MULTILINE)}
    assert rows == {PREFIX + field.name.upper(): field.default for field in fields(Limits)}


def test_the_table_of_streamlits_options_is_what_they_are_here():
    import tomllib

    here = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text("utf-8"))
    rows = {name: int(value) for name, value in re.findall(r"^\| `(server\.\w+)` \| (\d+) \|", DOCS, re.MULTILINE)}
    assert len(rows) == 3
    for name, value in rows.items():
        section, option = name.split(".")
        assert value == here.get(section, {}).get(option, config.get_config_options()[name].default_val), name


def test_the_log_line_that_is_shown_has_the_fields_that_there_are():
    line = json.loads(re.search(r'^    (\{"time".*\})$', DOCS, re.MULTILINE).group(1))
    assert set(line) <= {"time", "level", "logger", "message", *logs.FIELDS}
    assert all(field in DOCS for field in logs.FIELDS)
