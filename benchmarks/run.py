"""Measure and print a Markdown table: python -m benchmarks.run [probe] [detectors] [verdict] [corruptions] [adaptation] [start] [--json FILE] [--quick]

`service` runs only where it is named: it takes a minute and every core.
"""

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path

from benchmarks.harness import HEADS, document, machine
from benchmarks.measured import table

MEASUREMENTS = ("probe", "detectors", "verdict", "corruptions", "adaptation", "scoring", "start")
ON_REQUEST = ("service",)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__.split(":")[0])
    parser.add_argument("measurements", nargs="*", metavar="MEASUREMENT", help=f"{', '.join(MEASUREMENTS)} (default all of these), {', '.join(ON_REQUEST)}")
    parser.add_argument("--repetitions", type=int, help="instead of each measurement's own number")
    parser.add_argument("--quick", action="store_true", help="a few repetitions on small batches: to see that it runs, not to quote")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers and the machine's facts")
    options = parser.parse_args(arguments)
    if wrong := [name for name in options.measurements if name not in MEASUREMENTS + ON_REQUEST]:
        parser.error(f"there is no measurement {wrong[0]!r}; there are {', '.join(MEASUREMENTS + ON_REQUEST)}")
    chosen = {"repetitions": options.repetitions} if options.repetitions else {}
    rows = []
    for name in options.measurements or MEASUREMENTS:
        print(f"measuring {name}", file=sys.stderr)
        rows += import_module(f"benchmarks.{name}").rows(quick=options.quick, **chosen)
    print(", ".join(f"{name} {value}" for name, value in machine().items() if value is not None), end="\n\n")
    print(table([HEADS, *(row.cells for row in rows)]))
    if options.json:
        options.json.write_text(json.dumps(document(rows), indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
