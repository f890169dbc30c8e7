# Right of the predictions: the results table, and the tables and figures that are made from it. Nothing here, in data_and_times.smk
# and page.smk needs data, a GPU or torch, and no input lies under data/: workflow/report.smk has these rules alone. Many
# outputs to a job, for each starts a Python.

RESULTS_TABLE = f"{RESULTS}/results.parquet"
PAPERS = [paper_path(paper) for paper in plan.papers]


rule score:
    input:
        papers=PAPERS,
        predictions=released(PREDICTIONS),
        runs=released(RECORDS),
        training=released(CURVES),
    output:
        RESULTS_TABLE,
        f"{RESULTS}/results.csv",
    log:
        f"{LOGS}/score.log",
    benchmark:
        f"{LOGS}/score.tsv"
    priority: TABLES_FIRST
    localrule: True
    conda:
        "../../envs/refer.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
        gpu=0,
    params:
        behaviour=(BEHAVIOUR["scores"], BEHAVIOUR["reporting"]),
        config=checked,
        # A reviewer has no prepared images, or those of another preset.
        prepared=[] if BEGIN else PREPARED,
    script:
        "../scripts/score.py"


rule tables:
    input:
        papers=PAPERS,
        results=RESULTS_TABLE,
        runs=released(RECORDS),
    output:
        tables=report_tables(),
        verdicts=shown(
            f"{RESULTS}/figures/verdicts",
            ".svg",
            ".png",
            caption="../captions/verdicts.rst",
            category="Results",
            subcategory="all papers",
        ),
        ranking=(
            shown(
                f"{RESULTS}/figures/ranking",
                ".svg",
                ".png",
                caption="../captions/ranking.rst",
                category="Results",
                subcategory="methods × data sets",
            )
            if MATRIX
            else []
        ),
        sensitivity=(
            shown(
                f"{RESULTS}/figures/sensitivity",
                ".svg",
                ".png",
                caption="../captions/sensitivity.rst",
                category="Ambiguities",
                subcategory="what they are worth",
            )
            if plan.config.sensitivity
            else []
        ),
    log:
        f"{LOGS}/tables.log",
    benchmark:
        f"{LOGS}/tables.tsv"
    priority: TABLES_FIRST
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
    script:
        "../scripts/tables.py"


rule figures:
    input:
        papers=PAPERS,
        results=RESULTS_TABLE,
        predictions=released(runs_of(PREDICTIONS)),
        runs=released(runs_of(RECORDS)),
        training=released(runs_of(CURVES)),
    output:
        forest=shown(
            f"{RESULTS}/figures/forest/{{paper}}.{{data}}",
            ".svg",
            ".png",
            caption="../captions/forest.rst",
            category="Results",
            subcategory="{paper} on {data}",
        ),
        curves=report(
            directory(f"{RESULTS}/figures/curves/{{paper}}.{{data}}"),
            patterns=["{curve}.svg"],
            caption="../captions/curves.rst",
            category="Training curves",
            labels={"protocol": "{curve}"},
        ),
        confusions=report(
            directory(f"{RESULTS}/figures/confusion/{{paper}}.{{data}}"),
            patterns=["{matrix}.svg"],
            caption="../captions/confusion.rst",
            category="Confusion matrices",
            labels={"run": "{matrix}"},
        ),
        pairs=report(
            directory(f"{RESULTS}/figures/pairs/{{paper}}.{{data}}"),
            patterns=["{pairs}.svg"],
            caption="../captions/pairs.rst",
            category="Results",
            subcategory="{paper} on {data}",
        ),
    log:
        f"{LOGS}/figures/{{paper}}.{{data}}.log",
    benchmark:
        f"{LOGS}/figures/{{paper}}.{{data}}.tsv"
    priority: TABLES_FIRST
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
        confusions=confusion_names,
        protocols=protocols,
    script:
        "../scripts/figures.py"
