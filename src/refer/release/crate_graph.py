"""The graph of an RO-Crate in the making: what its parts have in common, and how an entity is named and made once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from refer.release.runs import Preset

COMPLETED = "http://schema.org/CompletedActionStatus"
WORKFLOW = "Snakefile"
STEPS = {
    "train": ("workflow/scripts/train.py", "Train one network"),
    "infer": ("workflow/scripts/infer.py", "Predict with one trained network"),
    "score": ("workflow/scripts/score.py", "Score all predictions"),
    "tables": ("workflow/scripts/tables.py", "Write the tables of reported and reproduced numbers"),
}
"""Rule → its script and what it does."""


@dataclass(frozen=True)
class Member:
    """A file of the archive: its size in bytes and SHA-256, and its role in a release, if it has one."""

    bytes: int
    sha256: str
    role: str = ""


@dataclass(frozen=True)
class About:
    """What a crate says of itself: CITATION.cff's facts, and the moment when the newest run was finished."""

    title: str
    description: str
    created: str
    creators: Sequence[str]
    licence: str
    keywords: Sequence[str]
    commit: str | None
    version: str
    url: str = ""

    @property
    def code_version(self) -> str:
        """Of ReFER, with the commit where it is known."""
        return f"{self.version}+{self.commit[:12]}" if self.commit else self.version


@dataclass
class Graph:
    """The entities so far; `crate` is a rocrate.rocrate.ROCrate, `files` what the archive holds, by path."""

    preset: Preset
    about: About
    files: Mapping[str, Member]
    crate: Any
    shared: dict[str, Any] = field(default_factory=dict)

    def entity(self, address: str, kind: str, /, **properties: Any) -> Any:
        """Return the contextual entity at an address, which is made at the first call."""
        from rocrate.model import ContextEntity

        if address not in self.shared:
            self.shared[address] = self.crate.add(ContextEntity(self.crate, address, {"@type": kind} | properties))
        return self.shared[address]

    def file(self, path: str) -> Any:
        """Return the entity of a file of the archive, None where it is not in it."""
        return self.crate.get(path) if path in self.files else None

    def result(self, path: str) -> Any:
        """Return the entity of a file below results/<preset>/, None where it is not in the archive."""
        return self.file(f"results/{self.preset.name}/{path}")

    def script(self, rule: str) -> Any:
        """Return the entity of a rule's script."""
        return self.file(STEPS[rule][0])

    def organisation(self, name: str) -> Any:
        """Return the entity of an author."""
        address = {"url": self.about.url} if self.about.url else {}
        return self.entity(f"#{slug(name)}", "Organization", name=name, **address)

    @property
    def agent(self) -> Any:
        """Who answers for it: the first author."""
        return self.organisation(self.about.creators[0])

    def value(self, name: str, value: Any) -> Any:
        """Return a setting, shared by all actions that have it."""
        return self.entity(f"#{slug(f'{name}-{value}')}", "PropertyValue", name=name, value=str(value))

    def action(
        self, address: str, instrument: Any, kind: str = "CreateAction", *, given: Sequence[Any] = (),
        made: Sequence[Any] = (), **properties: Any,
    ) -> Any:  # fmt: skip
        """Add an action: what it took, with which instrument, and what came out."""
        told = {"@type": kind, "agent": self.agent, **properties}
        if kind == "CreateAction":
            told["actionStatus"] = COMPLETED
        return self.crate.add_action(instrument, address, object=one(given), result=one(made), properties=told)


def one(values: Sequence[Any]) -> Any:
    """Return a single value as itself: JSON-LD is to be compact."""
    return values[0] if len(values) == 1 else list(values)


def slug(text: str) -> str:
    """Return text as a part of an address."""
    return "-".join("".join(c if c.isalnum() or c in "._+" else " " for c in text).split())
