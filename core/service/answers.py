"""What the service answers, described for its OpenAPI page. Scores are higher = more ID."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Opinion(BaseModel):
    """What one detector says of the picture."""

    score: float = Field(description="higher = more ID (known); in the detector's own unit")
    threshold: float = Field(description="ID if the score is above it; in the same unit")
    p_value: float = Field(description="conformal p-value in (0, 1]: the share of held-out known pictures that score no higher")
    verdict: Literal["ID", "OOD"] = Field(description="ID: known, OOD: unknown")


class Verdict(BaseModel):
    """What is known of one picture: the row that `python -m core verdict --json` prints."""

    model_config = ConfigDict(populate_by_name=True)

    file: str = Field(description="name of the file, as it was sent")
    class_: str = Field(alias="class", description="the class that the network gives it, whether it knows it or not")
    confidence: float = Field(description="softmax probability of that class, in [0, 1]")
    verdict: Literal["ID", "OOD"] = Field(description="ID: the network knows what it is looking at; OOD: it does not")
    detector: str = Field(description="who decided")
    block: str = Field(description="the selected block of the network")
    score: float = Field(description="of the detector that decided; higher = more ID")
    threshold: float = Field(description="ID if the score is above it")
    p_value: float = Field(description="of the detector that decided, in (0, 1]; low = unfamiliar")
    members: dict[str, float] = Field(description="p-values of the consensus's members")
    detectors: dict[str, Opinion] = Field(description="what every detector says")
    error: None = Field(default=None, description="always null here")


class Failure(BaseModel):
    """Why there is no verdict."""

    error: str = Field(description="one sentence: what is wrong and what to do")
    key: str | None = Field(description="stable name of this kind of failure")


class FailedPicture(Failure):
    """Why one picture of several has no verdict."""

    file: str = Field(description="name of the file, as it was sent")


class Served(BaseModel):
    """A pack that is served."""

    name: str
    arch: str = Field(description="architecture of the network")
    classes: list[str]
    size: int = Field(description="height and width of what the network sees, in pixels")
    detectors: list[str] = Field(description="who can decide")
    selected_block: str
    accuracy: float = Field(description="ID accuracy, in %")


class State(BaseModel):
    """Whether the service runs, or takes work."""

    status: Literal["ok", "busy"]
