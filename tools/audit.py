"""Ask whether a version in requirements.lock has a known hole, and say loudly where nobody could be asked: python tools/audit.py PIP_AUDIT LOCK

Exit codes: 0 no hole is known, or nothing could be asked; 1 at least one is known; 2 the auditor failed for another reason.
pip-audit passes without a word over what its database does not know, which must not read as "no hole": those are counted.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

UNREACHED = ("ConnectionError", "NameResolutionError", "Max retries exceeded", "ConnectTimeout", "ReadTimeout", "ProxyError", "SSLError", "HTTPError")


def conclude(report, error=""):
    """Return (lines to print, exit code). Args: report: what pip-audit wrote as JSON, or None; error: what it said on stderr."""
    if report is None:
        reason = (error.strip().splitlines() or ["no reason given"])[-1]
        unreached = any(word in error for word in UNREACHED)
        return [f"not audited: {'the database could not be reached' if unreached else 'pip-audit failed'} ({reason[:200]})"], 0 if unreached else 2
    audited = [one for one in report["dependencies"] if "skip_reason" not in one]
    skipped = [one for one in report["dependencies"] if "skip_reason" in one]
    holes = [(one, hole) for one in audited for hole in one["vulns"]]
    lines = [f"{one['name']} {one['version']}: {hole['id']}, mended in {', '.join(hole['fix_versions']) or 'no version yet'}" for one, hole in holes]
    if audited:
        lines.append(f"{len(audited)} packages audited, {len(holes)} known holes")
    if skipped:
        lines.append(f"not audited: {len(skipped)} of {len(report['dependencies'])} packages ({skipped[0]['skip_reason'][:200]})")
    return lines, int(bool(holes))


def main(auditor, lock):
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "report.json"
        command = [auditor, "--requirement", lock, "--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json", "--output", str(out)]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
        lines, code = conclude(json.loads(out.read_text("utf-8")) if out.is_file() else None, done.stderr)
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
