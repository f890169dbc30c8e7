# What all rules share: the configuration, and what they ask of the plan.

import os
import sys
from pathlib import Path

from snakemake.utils import min_version, validate

min_version("9.27")

# The project's folder, also where another workflow uses this one as a module: src/ and papers/ lie there.
ROOT = Path(workflow.current_basedir.get_path_or_uri(secret_free=False)).parents[1]
sys.path.insert(0, str(ROOT / "src"))

# A preset passed with --configfile is whole: the demo's configuration is not laid under it.
if not workflow.overwrite_configfiles:

    configfile: "config.yaml"


from refer import BEHAVIOUR
from refer.workflow import as_text, calm, load, put_right, review

config, plan = load(
    config, workflow.overwrite_configfiles, ROOT, workflow.config_settings.config
)
validate(config, "../schemas/config.schema.json", set_default=False)


onstart:
    calm(workflow)


# What is done before anything is planned, where nothing is made from data (workflow/report.smk).
BEGIN = None
RESULTS = f"results/{plan.config.preset}"
LOGS = f"logs/{plan.config.preset}"
RUN = f"{RESULTS}/runs/{{paper}}/{{data}}/{{protocol}}/{{method}}/seed{{seed}}"
RUN_LOG = f"{LOGS}/runs/{{paper}}/{{data}}/{{protocol}}/{{method}}/seed{{seed}}"


# A table or figure in several forms. Snakemake's report holds each once, in the form that a browser shows best.
def shown(start, *ends, **told):
    best = start + (".svg" if ".svg" in ends else ".html")
    paths = [start + end for end in ends]
    return [path if path != best else report(path, **told) for path in paths]


ALL = (".csv", ".md", ".tex", ".html")
LISTING = (".csv", ".md", ".html")


def report_tables():
    """Every table that follows from the results table, each with what Snakemake's report says of it."""
    made = shown(
        f"{RESULTS}/tables/runs",
        *LISTING,
        caption="../captions/runs.rst",
        category="Provenance",
    )
    results = {"category": "Results"}
    for paper, data in CELLS:
        of = {**results, "subcategory": f"{paper} on {data}"}
        names = {
            "": "table",
            "metrics.": "metrics",
            "pairs.": "pairs",
            "protocols.": "protocols",
        }
        for start, caption in names.items():
            made += shown(
                f"{RESULTS}/tables/{start}{paper}.{data}",
                *ALL,
                caption=f"../captions/{caption}.rst",
                **of,
            )
        made += shown(f"{RESULTS}/tables/ambiguities.{paper}.{data}", *LISTING, caption="../captions/ambiguities.rst",
                      category="Ambiguities", subcategory=f"{paper} on {data}")  # fmt: skip
    for paper in dict.fromkeys(paper for paper, _ in CELLS):
        for name, ends in (("printed", ALL[1:]), ("claims", ALL)):
            made += shown(f"{RESULTS}/tables/{name}.{paper}", *ends, caption=f"../captions/{name}.rst",
                          subcategory="as printed", **results)  # fmt: skip
    whole = {"verdicts": "all papers"}
    whole |= (
        dict.fromkeys(("matrix", "ranking", "contrasts"), "methods × data sets")
        if MATRIX
        else {}
    )
    for name, kind in whole.items():
        made += shown(
            f"{RESULTS}/tables/{name}",
            *ALL,
            caption=f"../captions/{name}.rst",
            subcategory=kind,
            **results,
        )
    if plan.config.sensitivity:
        made += shown(f"{RESULTS}/tables/sensitivity", *ALL, caption="../captions/sensitivity.rst",
                      category="Ambiguities", subcategory="what they are worth")  # fmt: skip
    return made


wildcard_constraints:
    dataset=r"[a-z0-9]+",
    data=r"[a-z0-9]+(-standin)?",
    other=r"[a-z0-9]+(-standin)?",
    backgrounds=r"scenes|photographs",
    paper=r"[a-z0-9_-]+(\+[a-z0-9_-]+)?",
    protocol=r"published|audited",
    method=r"[a-z0-9_-]+",
    seed=r"\d+(-fold\d+)?",


PREDICTIONS = [f"{RESULTS}/runs/{run.path}/predictions.parquet" for run in plan.runs()]
RECORDS = [f"{RESULTS}/runs/{run.path}/run.json" for run in plan.runs()]
CURVES = [f"{RESULTS}/runs/{run.path}/training.csv" for run in plan.runs()]
EXPLANATIONS = [
    f"{RESULTS}/runs/{run.path}/explanations.safetensors" for run in plan.explained()
]
SHOWN = sorted({(run.paper, run.data) for run in plan.explained()})
# What a paper has for the matrix alone stands in that table, and in none of its own.
CELLS = sorted(
    {
        (run.paper, run.data)
        for run in plan.runs()
        if not plan.lent(run) and not plan.switched(run)
    }
)
MATRIX = [f"{RESULTS}/runs/{run.path}" for run in plan.matrix()]
DATA = sorted({plan.data(dataset) for dataset in plan.datasets()})
DRAWN = [data for data in DATA if data.endswith("-standin")]
BACKGROUNDS = "scenes" if plan.config.backgrounds.drawn else "photographs"
# How each paper composes the faces of each drawn data set, where it does.
COMPOSED = {
    (run.paper, run.data): run.as_dict()["recipe"]["compose"]
    for run in plan.examples()
    if run.recipe.compose and run.stand_in and BACKGROUNDS == "scenes"
}
DIVIDED = sorted({(paper, data) for data, paper, _ in plan.splits()})
# What the border has beside the runs: measured times, and what audits and splits say of themselves.
TIMES = [
    f"{RESULTS}/realtime/{run.paper}.{run.data}.{run.method}.json"
    for run in plan.timed()
    if plan.config.realtime_seconds > 0
]
BATCH_TOKENS = [
    f"{RESULTS}/batch_tokens/{run.paper}.{run.data}.{run.method}.seed{run.seed}.{tokens}.parquet"
    for run in plan.batch_tokens()
    for tokens in plan.config.batch_tokens[run.paper].tokens
]
AUDITS = [f"{RESULTS}/data/{data}/audit.json" for data in DATA]
PREPARED = sorted({f"data/prepared/{run.data}/prepare.json" for run in plan.runs()})
SPLITS = [
    f"{RESULTS}/data/{data}/split.{paper}.{protocol}.json"
    for data, paper, protocol in plan.splits()
]
# By whose split assignment each data set's list of images says which ones are tested, and which are left out.
LISTED = {
    data: next(
        (
            (name, kind)
            for of, name, kind in plan.splits()
            if (of, kind) == (data, "audited")
        ),
        next((name, kind) for of, name, kind in plan.splits() if of == data),
    )
    for data in dict.fromkeys(data for data, _, _ in plan.splits())
}
IMAGES = [f"{RESULTS}/data/{data}/images.parquet" for data in LISTED]
BORDER = [*PREDICTIONS, *RECORDS, *CURVES, *AUDITS, *SPLITS, *TIMES, *BATCH_TOKENS]
LACKING = []
# Of two jobs that could start, that comes first for which more others wait: the last tables, which are made one after the
# other, then data, then networks; what tells of the data fills the gaps.
NETWORKS_FIRST, DATA_FIRST, TABLES_FIRST = 1, 2, 3


def grows(amount):
    """More with each attempt, for profiles with retries: a job that ran out of memory or time needs more of it."""
    return lambda wildcards, attempt: attempt * amount


def dataset_of(wildcards):
    return wildcards.data.removesuffix("-standin")


def released(paths):
    """Files that tables are made from, as a rule's input: before any is read, BEGIN sees to what its entry needs."""

    def given(wildcards):
        BEGIN()
        return paths(wildcards) if callable(paths) else paths

    return given if BEGIN else paths


def audit_of(wildcards):
    return f"{RESULTS}/data/{wildcards.data}/audit.json"


def splits_of(wildcards):
    """What says how a paper divides a data set, one file a protocol."""
    return [
        path
        for path in SPLITS
        if path.startswith(f"{RESULTS}/data/{wildcards.data}/split.{wildcards.paper}.")
    ]


def runs_of(paths):
    """Of such a list, those of the paper and data set that the wildcards name."""
    return lambda wildcards: [
        path for path in paths if f"/runs/{wildcards.paper}/{wildcards.data}/" in path
    ]


def commands_again():
    """What a reader types to make it again: all of it, or what follows from the predictions.

    Where files lie outside the project is nobody's business.
    """
    files = [Path(file).absolute() for file in workflow.overwrite_configfiles]
    files = [
        file.relative_to(ROOT) if file.is_relative_to(ROOT) else file.name
        for file in files
        if file != ROOT / "config.yaml"
    ]
    real = [name for name in plan.datasets() if not plan.is_stand_in(name)]
    given = workflow.config_settings.config.items()
    sources = [f"{name}=<where it lies>" for name in real]
    changes = [f"'{key}={value}'" for key, value in given if key not in real]

    def command(start, config):
        words = [start, *(f"--configfile {file}" for file in files)]
        return " ".join([*words, *(["--config", *config] if config else [])])

    return [
        command("snakemake --cores all", sources + changes),
        "# tables and figures alone, from the predictions: without data, GPU and PyTorch",
        command("snakemake -s workflow/report.smk --cores all", changes),
    ]


def paper_path(paper):
    return os.path.relpath(ROOT / plan.config.papers / f"{paper}.yaml")


def paper_file(wildcards):
    return paper_path(plan.origin(wildcards.paper))


CHECKED = as_text(plan.config.model_dump(mode="json"))


def checked(wildcards):
    """The configuration. Not as the text itself: Snakemake would take its braces for wildcards."""
    return CHECKED


def choices(wildcards):
    return as_text(plan.choices(wildcards.paper))


def override(wildcards):
    return as_text(plan.config.reproduce[plan.origin(wildcards.paper)].override)


def confusion_names(wildcards):
    """Of every confusion matrix of a paper on a data set: one a protocol, method and part that is no validation."""
    runs = [run for run in plan.runs(wildcards.paper) if run.data == wildcards.data]
    owners = plan.papers[wildcards.paper].data[dataset_of(wildcards)].parts or {}
    names = [
        f"{run.paper}.{run.data}.{run.protocol}.{run.method}.{part}"
        for run in runs
        for part in run.evaluated
        if part == run.test or part in owners
    ]
    return list(dict.fromkeys(names))


def protocols(wildcards):
    return list(plan.config.reproduce[wildcards.paper].protocols)


def found(pictures):
    """Pictures that need images or networks: all of them where they can be made, else those that are there."""
    here = [path for path in pictures if not BEGIN or Path(path).exists()]
    LACKING.extend(path for path in pictures if path not in here)
    return here


# What `all` asks for: every file by its name. Snakemake makes a lost file again only if somebody asks for it; of several
# that one job makes, and of those that others are made from, nobody would.
def made_by(rule, *wildcards):
    """Every output of a rule, for each such set of values of its wildcards."""
    paths = [str(path) for path in getattr(rules, rule).output]
    return [path.format(**values) for values in wildcards for path in paths]


def cells(pairs):
    return [{"paper": paper, "data": data} for paper, data in pairs]


def over(data):
    return [{"data": each} for each in data]


def drawn_up(wildcards):
    """What follows from the border: the results table, tables, figures, the page."""
    return [
        *made_by("score", {}),
        *made_by("tables", {}),
        *made_by("figures", *cells(CELLS)),
        *made_by("audit_report", *over(DATA)),
        *made_by("split_table", *cells(DIVIDED)),
        *(made_by("batch_tokens_table", {}) if BATCH_TOKENS else []),
        *(made_by("realtime_table", {}) if TIMES else []),
        *made_by("page", {}),
        *made_by("measures", {}),
    ]
