# What the rules ask of the plan: which files a job needs, and the parameters that decide its outcome.

import os

from refer import BEHAVIOUR
from refer.workflow import fingerprint_of_source

PREDICTIONS = [f"{RESULTS}/runs/{run.path}/predictions.parquet" for run in plan.runs()]
RECORDS = [f"{RESULTS}/runs/{run.path}/run.json" for run in plan.runs()]
CURVES = [f"{RESULTS}/runs/{run.path}/training.csv" for run in plan.runs()]
EXPLANATIONS = [
    f"{RESULTS}/runs/{run.path}/explanations.safetensors" for run in plan.explained()
]
SHOWN = sorted({(run.paper, run.data) for run in plan.explained()})
TIMED = plan.config.realtime_seconds > 0 and plan.examples()
# What a paper has for the matrix alone stands in that table, and in none of its own.
CELLS = sorted({(run.paper, run.data) for run in plan.runs() if not plan.lent(run)})
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


def protocol_of(wildcards):
    return plan.papers[wildcards.paper].protocol(
        wildcards.protocol, dataset_of(wildcards)
    )


def selection(wildcards):
    """The part that chooses the epoch, for an audit keeps it apart from the others; elsewhere it is no matter."""
    protocol = protocol_of(wildcards)
    return protocol.select if protocol.audited and protocol.select != "last" else None


def scheme(wildcards):
    """How the paper divides the data set under the protocol."""
    division = plan.papers[wildcards.paper].data[dataset_of(wildcards)]
    return division.scheme(protocol_of(wildcards)).as_dict()


def how_to_draw(wildcards):
    return plan.config.standin[wildcards.dataset].model_dump(exclude_none=True)


def splits_of(wildcards):
    """The files that say how a paper divides a data set, one a protocol."""
    return [
        f"data/splits/{data}/{paper}.{protocol}.parquet"
        for data, paper, protocol in plan.splits()
        if (data, paper) == (wildcards.data, wildcards.paper)
    ]


def weights_file(wildcards):
    """A file of initial weights, if the run starts from one."""
    weights = run_of(wildcards)["network"].get("weights", "none")
    return [] if weights in ("none", "imagenet") else weights


def cell_of(wildcards):
    seed, _, fold = wildcards.seed.partition("-fold")
    return plan.run(
        wildcards.paper,
        dataset_of(wildcards),
        wildcards.protocol,
        wildcards.method,
        int(seed),
        int(fold) if fold else None,
    )


def run_of(wildcards):
    return cell_of(wildcards).as_dict()


def checkpoints_of_parents(wildcards):
    """The trained runs that this one begins with, in the order of its `starts_from`."""
    run = cell_of(wildcards)
    return [
        f"{RESULTS}/runs/{run.path_of(method)}/checkpoint.safetensors"
        for method in run.starts_from.values()
    ]


def backgrounds_of(wildcards):
    """What faces are composed on, if the run composes any."""
    composes = cell_of(wildcards).recipe.compose is not None
    return [f"data/backgrounds/{BACKGROUNDS}/backgrounds.npy"] if composes else []


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
