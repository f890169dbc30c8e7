# Right of the predictions: the front page, and what DVC compares. Snakemake's report goes without the page, which holds
# every table and figure of it once more.


rule page:
    input:
        papers=[paper_path(paper) for paper in plan.config.reproduce],
        scores=f"{RESULTS}/scores.parquet",
        listing=f"{RESULTS}/tables/runs.csv",
        predictions=released(PREDICTIONS),
        runs=released(RECORDS),
        audits=released(AUDITS),
        audit_tables=[f"{RESULTS}/tables/audit.{data}.csv" for data in DATA],
        split_tables=[
            f"{RESULTS}/tables/split.{paper}.{data}.csv" for paper, data in DIVIDED
        ],
        splits=released(SPLITS),
        tables=[f"{RESULTS}/tables/{paper}.{data}.html" for paper, data in CELLS],
        verdicts=f"{RESULTS}/tables/verdicts.html",
        overview=[f"{RESULTS}/figures/verdicts.svg"],
        printed=[
            f"{RESULTS}/tables/printed.{paper}.html"
            for paper in dict.fromkeys(paper for paper, _ in CELLS)
        ],
        pairs=[f"{RESULTS}/figures/pairs/{paper}.{data}" for paper, data in CELLS],
        training=released(CURVES),
        forest=[f"{RESULTS}/figures/forest/{paper}.{data}.svg" for paper, data in CELLS],
        curves=[f"{RESULTS}/figures/curves/{paper}.{data}" for paper, data in CELLS],
        confusion=[
            f"{RESULTS}/figures/confusion/{paper}.{data}" for paper, data in CELLS
        ],
        audit=[f"{RESULTS}/figures/audit/{data}.svg" for data in DATA],
        classes=[f"{RESULTS}/figures/classes/{data}.svg" for data in DATA],
        representations=found(
            [
                f"{RESULTS}/figures/representations/{paper}.{data}"
                for paper, data in SHOWN
            ]
        ),
        attention=found(
            [f"{RESULTS}/figures/attention/{paper}.{data}" for paper, data in SHOWN]
        ),
        matrix=f"{RESULTS}/tables/matrix.html" if MATRIX else [],
        ranking=f"{RESULTS}/tables/ranking.html" if MATRIX else [],
        contrasts=f"{RESULTS}/tables/contrasts.html" if MATRIX else [],
        ranked=f"{RESULTS}/figures/ranking.svg" if MATRIX else [],
        sensitivity=(
            f"{RESULTS}/tables/sensitivity.html" if plan.config.sensitivity else []
        ),
        swings=f"{RESULTS}/figures/sensitivity.svg" if plan.config.sensitivity else [],
        batch_tokens=f"{RESULTS}/tables/batch_tokens.html" if BATCH_TOKENS else [],
        batches=f"{RESULTS}/figures/batch_tokens.svg" if BATCH_TOKENS else [],
        realtime=f"{RESULTS}/tables/realtime.csv" if TIMES else [],
        timings=released(TIMES),
        composed=found(
            [
                f"{RESULTS}/figures/composed/{paper}.{data}.svg"
                for paper, data in COMPOSED
            ]
        ),
        sheets=found([f"{RESULTS}/figures/sheets/{data}.png" for data in DRAWN]),
        copies=found([f"{RESULTS}/figures/copies/{data}.svg" for data in DRAWN]),
    output:
        f"{RESULTS}/report.html",
    log:
        f"{LOGS}/page.log",
    benchmark:
        f"{LOGS}/page.tsv"
    localrule: True
    conda:
        "../../envs/refer.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
        gpu=0,
    params:
        behaviour=BEHAVIOUR["reporting"],
        title=plan.config.title,
        margin=plan.config.margin,
        regenerate=commands_again(),
        lacking=LACKING,
        choices={name: dict(chosen) for name, chosen in plan.config.ambiguity.items()},
        override={
            name: dict(wanted.override)
            for name, wanted in plan.config.reproduce.items()
        },
    script:
        "../scripts/page.py"


# What DVC shows and compares: `dvc metrics diff`, `dvc plots show`.
rule measures:
    input:
        scores=f"{RESULTS}/scores.parquet",
        predictions=released(PREDICTIONS),
        training=released(CURVES),
    output:
        metrics=directory(f"{RESULTS}/metrics"),
        curves=directory(f"{RESULTS}/plots/curves"),
        confusion=directory(f"{RESULTS}/plots/confusion"),
    log:
        f"{LOGS}/measures.log",
    benchmark:
        f"{LOGS}/measures.tsv"
    localrule: True
    conda:
        "../../envs/refer.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
        gpu=0,
    params:
        behaviour=BEHAVIOUR["reporting"],
    script:
        "../scripts/measures.py"
