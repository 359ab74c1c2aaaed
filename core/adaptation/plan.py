"""What a run of adaptation does, as plain data: enough to do it again. No torch here."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from core.adaptation import ADAPTATIONS, SETTINGS
from core.table import look_up

GUARDS = ("warn", "good", "source")


@dataclass(frozen=True)
class Plan:
    """A run.

    Attributes:
        pack: name; methods: names of `ADAPTATIONS`; corruptions: names, "clean" is none, each shows all the pictures.
        pictures: spec of the known pictures; limit: how many of them; source: spec of what the network was trained on; source_limit: how many.
        severity: 1 to 5; setting: a name of `SETTINGS`; batch_size: pictures; seed: of everything.
        unknown: spec of OOD pictures, for the probe set and for `share`, the part of each batch that is OOD; None for none.
        guard: what is done on an alarm, see `core.adaptation.guard.Guard`; warmup: batches of the set-up, where a method has one;
        reselect: whether DPLOT's blocks are selected anew even where a selection is kept.
    """

    pack: str
    methods: tuple
    corruptions: tuple
    pictures: str
    source: str
    limit: int = 500
    source_limit: int = 1000
    severity: int = 5
    setting: str = "continual"
    batch_size: int = 50
    seed: int = 0
    unknown: str | None = None
    share: float = 0.0
    guard: str = "warn"
    warmup: int = 25
    reselect: bool = False

    def __post_init__(self):
        for name in self.methods:
            look_up(ADAPTATIONS, name, kind="adaptation method")
        look_up(SETTINGS, self.setting, kind="setting")
        look_up(dict.fromkeys(GUARDS), self.guard, kind="guard")

    @property
    def arguments(self):
        """Return the words of `python -m core` that do the same without a picture of it."""
        words = ["adapt", "--pack", self.pack, "--images", self.pictures, "--limit", self.limit, "--corruptions", ",".join(self.corruptions)]
        words += ["--severity", self.severity, "--setting", self.setting, "--methods", ",".join(self.methods)]
        words += ["--source", self.source, "--source-limit", self.source_limit, "--warmup-batches", self.warmup]
        words += ["--batch-size", self.batch_size, "--seed", self.seed]
        words += ["--ood", self.unknown, "--ood-share", f"{self.share:g}"] if self.share else []
        return [str(word) for word in words]

    def document(self):
        """Return the plan as a dict of plain data, which `plan_of` reads."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def plan_of(document):
    """Read what `Plan.document` wrote. Raises: InputError for names that this version does not know."""
    known = {field.name: None for field in fields(Plan)}
    for name in document:
        look_up(known, name, kind="part of a plan")
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in document.items()}
    return Plan(**values)
