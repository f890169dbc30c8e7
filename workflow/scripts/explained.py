"""Draw a paper's explanations on a data set: representation spaces and, of drawn faces, where networks look."""

import json

from refer.papers import load_paper
from refer.reporting.figures.explained import draw_explained
from refer.workflow import job

with job(snakemake):
    given, made, params = snakemake.input, snakemake.output, snakemake.params
    paper = load_paper(given.paper, json.loads(params.choices), json.loads(params.override))
    draw_explained(paper, given.explanations, made.representations, made.attention)
