# What the rules left of the predictions ask of the plan: which files a job needs, and what decides its outcome.

from refer.datasets.drawn import drawn_otherwise
from refer.evaluation.ahead import Asked, stands_ready
from refer.networks.weights import file_of_weights
from refer.workflow import fingerprint_of_source, gpus


def is_drawn(wildcards):
    return wildcards.data.endswith("-standin")


def drawn_archive(wildcards):
    if not is_drawn(wildcards):
        return []
    archive = f"data/standin/{dataset_of(wildcards)}.tar.gz"
    # Another preset, or another clone that shares data/, may have drawn it otherwise; Snakemake's records are a clone's own.
    how = plan.config.standin[dataset_of(wildcards)].model_dump(exclude_none=True)
    if workflow.is_main_process and drawn_otherwise(archive, how):
        workflow.dag.forcefiles.add(archive)
    return archive


def fingerprint(wildcards):
    # Real sources are no Snakemake input: a disk that was unplugged after `obtain` must not stop the rest.
    if is_drawn(wildcards):
        return "drawn"
    receipt = Path(f"data/raw/{wildcards.data}/receipt.json")
    dataset = dataset_of(wildcards)
    return fingerprint_of_source(dataset, plan.source(dataset), receipt)


def protocol_of(wildcards):
    return plan.paper(wildcards.paper).protocol(
        wildcards.protocol, dataset_of(wildcards)
    )


def division(wildcards):
    """How the paper divides the data set under the protocol."""
    return plan.division(wildcards.paper, dataset_of(wildcards), wildcards.protocol)


def audited(wildcards):
    return protocol_of(wildcards).audited


def near(wildcards):
    """Whether near duplicates count as the same image."""
    return protocol_of(wildcards).near


def selection(wildcards):
    """The part that chooses the epoch, for an audit keeps it apart from the others; elsewhere it is no matter."""
    return division(wildcards)["select"]


def scheme(wildcards):
    return division(wildcards)["scheme"]


def behaviour_of_data(*beside):
    """What makes data out of date beside its source: this code, and what the configuration declares, but for `beside`."""

    def behaviour(wildcards):
        own = plan.config.datasets.get(dataset_of(wildcards))
        if own is None:
            return BEHAVIOUR["datasets"]
        told = {"divide", "title", "licence", "home", "images", *beside}
        return [
            BEHAVIOUR["datasets"],
            as_text(own.model_dump(mode="json", exclude=told)),
        ]

    return behaviour


def tolerated(wildcards):
    """Faults of the data set that do not end its reading."""
    return sorted(plan.config.tolerate.get(dataset_of(wildcards), []))


def subject_pattern(wildcards):
    return plan.config.subject_pattern.get(dataset_of(wildcards))


def label_rule(wildcards):
    """How labels follow from taggers' votes, where the configuration says it."""
    return plan.config.labels.get(dataset_of(wildcards))


def coding(wildcards):
    """What the files' codes of classes mean, where the configuration says it; drawn ones are the owner's."""
    return (
        None if is_drawn(wildcards) else plan.config.coding.get(dataset_of(wildcards))
    )


def swapped(wildcards):
    """Two splits whose names are exchanged in the files."""
    return (
        None if is_drawn(wildcards) else plan.config.swapped.get(dataset_of(wildcards))
    )


def grey_levels(wildcards):
    """The values of 16-bit images that are black and white."""
    return (
        None
        if is_drawn(wildcards)
        else plan.config.grey_levels.get(dataset_of(wildcards))
    )


def chosen(wildcards):
    """Which kinds of recordings are meant, where a set holds several."""
    return (
        [] if is_drawn(wildcards) else plan.config.choose.get(dataset_of(wildcards), [])
    )


def cores_to_prepare(wildcards):
    """One for a stand-in, which is decoded before a second core would be free."""
    return 1 if is_drawn(wildcards) else 2


def split_file(wildcards):
    """What says which image is in which part: the paper's own file, unless a switched option divides otherwise."""
    paper = plan.divider(wildcards.paper, dataset_of(wildcards), wildcards.protocol)
    return f"data/splits/{wildcards.data}/{paper}.{wildcards.protocol}.parquet"


def how_to_draw(wildcards):
    return plan.config.standin[wildcards.dataset].model_dump(exclude_none=True)


def weights_file(wildcards):
    """A file of initial weights, if the run starts from one."""
    return file_of_weights(run_of(wildcards)["network"]) or []


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


def evaluated(wildcards):
    """The splits that are predicted."""
    return run_of(wildcards)["evaluated"]


def checkpoints_of_parents(wildcards):
    """The trained runs that this one begins with or tests, in the order of its `parents`."""
    parents = plan.parents(cell_of(wildcards)).values()
    return [f"{RESULTS}/runs/{run.path}/checkpoint.safetensors" for run in parents]


def gpus_to_predict(wildcards, attempt):
    """None if the job that trained has left predictions to take over, unless that has failed once."""
    run = cell_of(wildcards)
    asked = Asked(
        Path(RESULTS, "runs", run.path, "checkpoint.safetensors"),
        Path("data/prepared", wildcards.data),
        Path(split_file(wildcards)),
        run.evaluated,
        plan.config.preset,
        plan.config.device,
    )
    left = attempt == 1 and stands_ready(asked)
    return 0 if left else gpus(plan.config.device)


def backgrounds_of(wildcards):
    """What faces are composed on, if the run composes any."""
    composes = cell_of(wildcards).recipe.compose is not None
    return [f"data/backgrounds/{BACKGROUNDS}/backgrounds.npy"] if composes else []


def matrix_cell_of(wildcards):
    """The run of the matrix over whose extractors fusion attention is trained anew."""
    return plan.run(
        wildcards.paper,
        dataset_of(wildcards),
        "audited",
        wildcards.method,
        int(wildcards.seed),
    )


def matrix_run_of(wildcards):
    return matrix_cell_of(wildcards).as_dict()


def batches_tested(wildcards):
    """With which seeds, and in which orders and sizes of test batches, fusion attention is tested."""
    asked = plan.config.batch_tokens[wildcards.paper]
    return asked.model_dump(include={"seeds", "orders", "batches"})


def extractors_of(wildcards):
    parents = plan.parents(matrix_cell_of(wildcards)).values()
    return [f"{RESULTS}/runs/{run.path}/checkpoint.safetensors" for run in parents]


def audited_split(wildcards):
    paper = plan.divider(wildcards.paper, dataset_of(wildcards), "audited")
    return f"data/splits/{wildcards.data}/{paper}.audited.parquet"


TOKENS = "{paper}.{data}.{method}.seed{seed}.{tokens}"


def listing_split(wildcards):
    """The split assignment that the list of a data set's images follows."""
    paper, protocol = LISTED[wildcards.data]
    return f"data/splits/{wildcards.data}/{paper}.{protocol}.parquet"


def listing_test(wildcards):
    """The part that this paper tests on."""
    return plan.paper(LISTED[wildcards.data][0]).test_sets[dataset_of(wildcards)]


def evidence(wildcards):
    """The border, and what lies left of it: pictures, and what is known of the data. Neither raw archives nor weights,
    which take room and are often removed when they have served.
    """
    return [
        *BORDER,
        *made_by("explained", *cells(SHOWN)),
        *made_by("contact_sheet", *over(DRAWN)),
        *made_by("composed", *cells(COMPOSED)),
        *[f"data/raw/{data}/receipt.json" for data in DATA],
        *made_by("prepare", *over(DATA)),
        *made_by("audit", *over(DATA)),
        *[
            f"data/splits/{data}/{paper}.{protocol}.parquet"
            for data, paper, protocol in plan.splits()
        ],
        *[
            path
            for data, other in plan.linked()
            for path in made_by("links", {"data": data, "other": other})
        ],
    ]
