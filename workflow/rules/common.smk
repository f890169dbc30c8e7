# What the rules ask of the plan: which files a job needs, and the parameters that decide its outcome.

import os

from refer import BEHAVIOUR
from refer.workflow import fingerprint_of_source

PREDICTIONS = [f"{RESULTS}/runs/{run.path}/predictions.parquet" for run in plan.runs()]
RECORDS = [f"{RESULTS}/runs/{run.path}/run.json" for run in plan.runs()]
CURVES = [f"{RESULTS}/runs/{run.path}/training.csv" for run in plan.runs()]
CELLS = sorted({(run.paper, run.data) for run in plan.runs()})


def dataset_of(wildcards):
    return wildcards.data.removesuffix("-standin")


def is_drawn(wildcards):
    return wildcards.data.endswith("-standin")


def drawn_archive(wildcards):
    return f"data/standin/{dataset_of(wildcards)}.tar.gz" if is_drawn(wildcards) else []


def fingerprint(wildcards):
    # Real sources are no Snakemake input: a disk that was unplugged after `obtain` must not stop the rest.
    if is_drawn(wildcards):
        return "drawn"
    receipt = Path(f"data/raw/{wildcards.data}/receipt.json")
    dataset = dataset_of(wildcards)
    return fingerprint_of_source(dataset, plan.source(dataset), receipt)


def selection(wildcards):
    """The part that chooses the epoch, for an audit keeps it apart from the others; elsewhere it is no matter."""
    protocol = plan.papers[wildcards.paper].protocols[wildcards.protocol]
    return protocol.select if protocol.audited and protocol.select != "last" else None


def weights_file(wildcards):
    """A file of initial weights, if the run starts from one."""
    weights = run_of(wildcards)["network"].get("weights", "none")
    return [] if weights in ("none", "imagenet") else weights


def run_of(wildcards):
    return plan.run(
        wildcards.paper,
        dataset_of(wildcards),
        wildcards.protocol,
        wildcards.method,
        int(wildcards.seed),
    ).as_dict()


def runs_of(paths):
    """Of such a list, those of the paper and data set that the wildcards name."""
    return lambda wildcards: [
        path for path in paths if f"/runs/{wildcards.paper}/{wildcards.data}/" in path
    ]


def command_again():
    """What a reader types to make all of it again; where files lie outside the project is nobody's business."""
    files = [os.path.relpath(file) for file in workflow.overwrite_configfiles]
    files = [
        os.path.basename(file) if file.startswith("..") else file for file in files
    ]
    real = [name for name in plan.datasets() if not plan.is_stand_in(name)]
    given = workflow.config_settings.config.items()
    config = [f"{name}=<where it lies>" for name in real]
    config += [f"'{key}={value}'" for key, value in given if key not in real]
    words = ["snakemake --cores all", *(f"--configfile {file}" for file in files)]
    return " ".join([*words, *(["--config", *config] if config else [])])


def paper_path(paper):
    return os.path.relpath(Path(workflow.basedir, plan.config.papers, f"{paper}.yaml"))


def paper_file(wildcards):
    return paper_path(wildcards.paper)


def choices(wildcards):
    return plan.config.ambiguity.get(wildcards.paper, {})


def override(wildcards):
    return plan.config.reproduce[wildcards.paper].override


def confusion_names(wildcards):
    """Of every confusion matrix of a paper on a data set: one a protocol, method and part."""
    runs = [run for run in plan.runs(wildcards.paper) if run.data == wildcards.data]
    names = [
        f"{run.paper}.{run.data}.{run.protocol}.{run.method}.{part}"
        for run in runs
        for part in run.evaluated
    ]
    return list(dict.fromkeys(names))


def protocols(wildcards):
    return plan.config.reproduce[wildcards.paper].protocols
