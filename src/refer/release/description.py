"""What an archive says of itself: its title, what Zenodo asks for, and its README."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2

import refer
from refer import yaml
from refer.release.crate import About
from refer.release.runs import Finished, Preset
from refer.reporting.tables.table import dataset_name, several
from refer.spec import NO_DOI


def template(name: str) -> jinja2.Template:
    """Return a text of this package to be filled in; whatever it asks for must be given."""
    environment = jinja2.Environment(  # nosec B701  # Markdown
        loader=jinja2.PackageLoader("refer.release"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown
    )
    return environment.get_template(name)


def describe(preset: Preset, runs: Sequence[Finished], created: str) -> About:
    """Return title, authors, licence and so on: CITATION.cff's facts with those of the runs."""
    cited = yaml.read(preset.root / "CITATION.cff")
    drawn, real = (sorted({dataset_name(each.run.dataset) for each in runs if each.run.stand_in is kind})
                   for kind in (True, False))  # fmt: skip
    on = f" on the real {', '.join(real)}" if real else ""
    notice = f" DRAWN STAND-IN DATA: the numbers on {', '.join(drawn)} say nothing about real faces." if drawn else ""
    newest = max(runs, key=lambda each: str(each.record["finished"]))
    return About(
        title=f"{preset.plan.config.title}: results of ReFER",
        description=f"Predictions, scores, tables and figures of {several(len(runs), 'trained network')}{on}, with "
        f"which ReFER reproduces papers on facial expression recognition.{notice}",
        created=created,
        creators=[_creator(author) for author in cited["authors"]],
        licence=str(cited["license"]),
        keywords=list(cited["keywords"]),
        commit=(newest.record.get("git") or {}).get("commit"),
        version=refer.__version__,
        url=str(cited.get("repository-code", "")),
    )


def _creator(author: Mapping[str, Any]) -> str:
    return str(author.get("name") or f"{author['family-names']}, {author['given-names']}")


def zenodo(preset: Preset, runs: Sequence[Finished], about: About) -> str:
    """Return the metadata of a deposit as Zenodo takes it (developers.zenodo.org), as JSON."""
    papers = sorted({preset.plan.origin(each.run.paper) for each in runs})
    metadata = {
        "title": about.title,
        "upload_type": "dataset",
        "publication_date": about.created[:10],
        "description": f"<p>{about.description}</p><p>README.md says what is in it and how it is checked.</p>",
        "creators": [{"name": name} for name in about.creators],
        "access_right": "open",
        "license": about.licence.lower(),
        "keywords": list(about.keywords),
        "version": about.version,
        "language": "eng",
        "related_identifiers": [
            {"identifier": preset.plan.papers[name].doi, "relation": "cites", "resource_type": "publication-article"}
            for name in papers
            if preset.plan.papers[name].doi != NO_DOI
        ],
    }
    return json.dumps(metadata, indent=2, ensure_ascii=False) + "\n"


def readme(preset: Preset, runs: Sequence[Finished], about: About, *, checkpoints: bool) -> str:
    """Return the README of an archive; `checkpoints` says whether the weights are in it."""
    first = runs[0].run
    return template("readme.md").render(
        about=about,
        base=f"results/{preset.name}",
        file=preset.file,
        tables=several(len(list(preset.folder.glob("tables/*.csv"))), "table"),
        runs=several(len(runs), "run"),
        checkpoints=checkpoints,
        table=f"{preset.plan.origin(first.paper)}.{first.data}.csv",
    )
