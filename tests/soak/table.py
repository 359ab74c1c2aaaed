"""What a suite tried and what was lost: one row each, printed as a Markdown table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One thing that was tried.

    Attributes: suite: "load", "hostile" or "faults"; what: in words; tried: how many times; lost: how many of them crashed, lost something or broke a
        promise; seen: figures in words, each with its unit.
    """

    suite: str
    what: str
    tried: int
    lost: int
    seen: str = ""


def markdown(rows):
    """Return rows as a table, and how many things were tried and lost in all."""
    lines = ["| suite | what was tried | times | lost | seen |", "| --- | --- | ---: | ---: | --- |"]
    lines += [f"| {row.suite} | {row.what} | {row.tried:,} | {row.lost:,} | {row.seen} |" for row in rows]
    tried, lost = sum(row.tried for row in rows), sum(row.lost for row in rows)
    return "\n".join([*lines, "", f"{tried:,} tried, {lost:,} lost."])
