# Right of the predictions: scores, tables and figures of each paper. Nothing here, in matrix.smk, data_and_times.smk, page.smk and
# sensitivity.smk needs data, a GPU or torch, and no input lies under data/: workflow/report.smk has these rules alone.
# Many outputs to a job, for each starts a Python.


rule score:
    input:
        predictions=released(PREDICTIONS),
        runs=released(RECORDS),
    output:
        scores=f"{RESULTS}/scores.parquet",
        runs=shown(
            f"{RESULTS}/tables/runs",
            ".csv",
            ".md",
            ".html",
            caption="../captions/runs.rst",
            category="Provenance",
        ),
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
    script:
        "../scripts/score.py"


rule table:
    input:
        paper=paper_file,
        scores=f"{RESULTS}/scores.parquet",
        predictions=released(runs_of(PREDICTIONS)),
        runs=released(runs_of(RECORDS)),
        training=released(runs_of(CURVES)),
    output:
        table=shown(
            f"{RESULTS}/tables/{{paper}}.{{data}}",
            ".csv",
            ".md",
            ".tex",
            ".html",
            caption="../captions/table.rst",
            category="Results",
            subcategory="{paper} on {data}",
        ),
        metrics=shown(
            f"{RESULTS}/tables/metrics.{{paper}}.{{data}}",
            ".csv",
            ".md",
            ".tex",
            ".html",
            caption="../captions/metrics.rst",
            category="Results",
            subcategory="{paper} on {data}",
        ),
        pairs=shown(
            f"{RESULTS}/tables/pairs.{{paper}}.{{data}}",
            ".csv",
            ".md",
            ".tex",
            ".html",
            caption="../captions/pairs.rst",
            category="Results",
            subcategory="{paper} on {data}",
        ),
        protocols=shown(
            f"{RESULTS}/tables/protocols.{{paper}}.{{data}}",
            ".csv",
            ".md",
            ".tex",
            ".html",
            caption="../captions/protocols.rst",
            category="Results",
            subcategory="{paper} on {data}",
        ),
        ambiguities=shown(
            f"{RESULTS}/tables/ambiguities.{{paper}}.{{data}}",
            ".csv",
            ".md",
            ".html",
            caption="../captions/ambiguities.rst",
            category="Ambiguities",
            subcategory="{paper} on {data}",
        ),
    log:
        f"{LOGS}/tables/{{paper}}.{{data}}.log",
    benchmark:
        f"{LOGS}/tables/{{paper}}.{{data}}.tsv"
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
        choices=choices,
        override=override,
        margin=plan.config.margin,
    script:
        "../scripts/table.py"


# In the paper's own layout, over all its data sets; and what its own numbers can tell, which needs no run.
rule printed:
    input:
        paper=paper_file,
        tables=lambda wildcards: [
            f"{RESULTS}/tables/{paper}.{data}.csv"
            for paper, data in CELLS
            if paper == wildcards.paper
        ],
    output:
        printed=shown(
            f"{RESULTS}/tables/printed.{{paper}}",
            ".md",
            ".tex",
            ".html",
            caption="../captions/printed.rst",
            category="Results",
            subcategory="as printed",
        ),
        claims=shown(
            f"{RESULTS}/tables/claims.{{paper}}",
            ".csv",
            ".md",
            ".tex",
            ".html",
            caption="../captions/claims.rst",
            category="Results",
            subcategory="as printed",
        ),
    log:
        f"{LOGS}/printed/{{paper}}.log",
    benchmark:
        f"{LOGS}/printed/{{paper}}.tsv"
    priority: TABLES_FIRST
    localrule: True
    conda:
        "../../envs/refer.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
        gpu=0,
    params:
        behaviour=BEHAVIOUR["reporting"],
        choices=choices,
        override=override,
    script:
        "../scripts/printed.py"


rule verdicts:
    input:
        papers=[paper_path(paper) for paper in plan.config.reproduce],
        tables=[f"{RESULTS}/tables/{paper}.{data}.csv" for paper, data in CELLS],
    output:
        table=shown(
            f"{RESULTS}/tables/verdicts",
            ".csv",
            ".md",
            ".tex",
            ".html",
            caption="../captions/verdicts.rst",
            category="Results",
            subcategory="all papers",
        ),
        forest=shown(
            f"{RESULTS}/figures/verdicts",
            ".svg",
            ".png",
            caption="../captions/verdicts.rst",
            category="Results",
            subcategory="all papers",
        ),
    log:
        f"{LOGS}/verdicts.log",
    benchmark:
        f"{LOGS}/verdicts.tsv"
    priority: TABLES_FIRST
    localrule: True
    conda:
        "../../envs/refer.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
        gpu=0,
    params:
        behaviour=BEHAVIOUR["reporting"],
        margin=plan.config.margin,
        choices={name: dict(chosen) for name, chosen in plan.config.ambiguity.items()},
        override={
            name: dict(wanted.override)
            for name, wanted in plan.config.reproduce.items()
        },
    script:
        "../scripts/verdicts.py"


rule figures:
    input:
        paper=paper_file,
        table=f"{RESULTS}/tables/{{paper}}.{{data}}.csv",
        pairs=f"{RESULTS}/tables/pairs.{{paper}}.{{data}}.csv",
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
        choices=choices,
        override=override,
        confusions=confusion_names,
        protocols=protocols,
    script:
        "../scripts/figures.py"
