"""Plots of DVC that need no network: a page with the drawing library in it, instead of links to it."""

from __future__ import annotations

from importlib.resources import files as resources
from pathlib import Path

from refer.errors import UserError
from refer.files import write_text

LIBRARIES = ("vega", "vega-lite", "vega-embed")
TEMPLATE = "tmp/plots.html"
"""Relative to .dvc/, as `plots.html_template` wants it; not in git, for it is 2 MB of others' code."""
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Plots</title>
{refresh_tag}
<style>body {font-family: sans-serif; margin: 1.5em} table {border-spacing: 1em}</style>
%s
</head>
<body>
{plot_divs}
</body>
</html>
"""


def plots_without_network(base: str | Path = ".") -> Path:
    """Write a page template for `dvc plots` that holds the Vega libraries, and have this clone use it.

    The copies are those that Snakemake ships for its own reports.

    Raises:
        UserError: `base` is no DVC repository, or Snakemake ships them no more.
    """
    try:
        from dvc.config import Config
        from dvc.exceptions import NotDvcRepoError
        from dvc.repo import Repo
    except ImportError:
        raise UserError("DVC is not installed here: make install") from None

    shipped = resources("snakemake") / "assets" / "data"
    try:
        folder = Path(Repo.find_dvc_dir(str(base)))
        texts = [(shipped / name / f"{name}.js").read_text(encoding="utf-8") for name in LIBRARIES]
    except NotDvcRepoError:
        raise UserError(f"{Path(base).absolute()} is no DVC repository: run this in the project's folder.") from None
    except OSError as error:
        raise UserError(f"This Snakemake ships no Vega ({error}); plots are shown with a network.") from None
    scripts = "\n".join("<script>" + text.replace("</script", r"<\/script") + "</script>" for text in texts)
    write_text(folder / TEMPLATE, PAGE % scripts)
    with Config(str(folder)).edit("local") as config:
        config.setdefault("plots", {})["html_template"] = TEMPLATE
    return folder / TEMPLATE
