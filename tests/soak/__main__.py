"""Try to break it and print what was tried and what was lost: python -m tests.soak [load] [hostile] [faults] [--minutes N] [--out FILE]

Each suite is a module with `rows(seconds)`, which yields a `Row` for each thing that it has tried, within about that time.
"""

import argparse
import sys
from importlib import import_module
from pathlib import Path

from benchmarks.harness import machine
from tests.soak.table import markdown

SUITES = ("load", "hostile", "faults")


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__.split(":")[0])
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"{', '.join(SUITES)} (default all)")
    parser.add_argument("--minutes", type=float, default=5, help="about how long each suite goes on (default %(default)s)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the table there too")
    options = parser.parse_args(arguments)
    if wrong := [name for name in options.suites if name not in SUITES]:
        parser.error(f"there is no suite {wrong[0]!r}; there are {', '.join(SUITES)}")
    rows = []
    for name in options.suites or SUITES:
        for row in import_module(f"tests.soak.{name}").rows(60 * options.minutes):
            print(f"{row.suite}: {row.what}: {row.tried:,} tried, {row.lost:,} lost. {row.seen}", file=sys.stderr, flush=True)
            rows.append(row)
    text = ", ".join(f"{name} {value}" for name, value in machine().items() if value is not None) + "\n\n" + markdown(rows) + "\n"
    print(text)
    if options.out:
        options.out.write_text(text, "utf-8")
    return int(any(row.lost for row in rows))


if __name__ == "__main__":
    sys.exit(main())
