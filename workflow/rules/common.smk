# What the rules ask of the plan: which files a job needs, and the parameters that decide its outcome.

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


def source_of(wildcards):
    return drawn_archive(wildcards) or plan.source(dataset_of(wildcards))


def fingerprint(wildcards):
    # Real sources are no Snakemake input: a disk that was unplugged after `obtain` must not stop the rest.
    if is_drawn(wildcards):
        return "drawn"
    receipt = Path(f"data/raw/{wildcards.data}/receipt.json")
    return fingerprint_of_source(dataset_of(wildcards), source_of(wildcards), receipt)


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


def paper_file(wildcards):
    return f"{plan.config.papers}/{wildcards.paper}.yaml"


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
