# Right of the predictions: the front page, and what DVC compares. Snakemake's report goes without the page, which holds
# every table and figure of it once more.


rule page:
    input:
        papers=PAPERS,
        results=RESULTS_TABLE,
        tables=[f"{RESULTS}/tables/runs.csv"],
        runs=released(RECORDS),
        audits=released(AUDITS),
        audit_tables=[f"{RESULTS}/tables/audit.{data}.csv" for data in DATA],
        split_tables=[
            f"{RESULTS}/tables/split.{paper}.{data}.csv" for paper, data in DIVIDED
        ],
        splits=released(SPLITS),
        overview=[f"{RESULTS}/figures/verdicts.svg"],
        pairs=[f"{RESULTS}/figures/pairs/{paper}.{data}" for paper, data in CELLS],
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
        ranking=[f"{RESULTS}/figures/ranking.svg"] if MATRIX else [],
        sensitivity=(
            [f"{RESULTS}/figures/sensitivity.svg"] if plan.config.sensitivity else []
        ),
        measured=released(BATCH_TOKENS),
        batch_tables=[f"{RESULTS}/tables/batch_tokens.html"] if BATCH_TOKENS else [],
        batch_tokens=[f"{RESULTS}/figures/batch_tokens.svg"] if BATCH_TOKENS else [],
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
        config=checked,
        regenerate=commands_again(),
        lacking=LACKING,
    script:
        "../scripts/page.py"


# What DVC shows and compares: `dvc metrics diff`, `dvc plots show`.
rule measures:
    input:
        results=RESULTS_TABLE,
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
