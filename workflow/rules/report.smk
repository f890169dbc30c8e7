# Right of the predictions: scores, tables, figures, the front page. Nothing here needs data, a GPU or torch, and no
# input lies under data/: workflow/report.smk has these rules alone. Many outputs to a job, for each starts a Python.


rule score:
    input:
        predictions=released(PREDICTIONS),
        runs=released(RECORDS),
    output:
        scores=f"{RESULTS}/scores.parquet",
        runs=report(
            multiext(f"{RESULTS}/tables/runs", ".csv", ".md", ".html"),
            caption="../captions/runs.rst",
            category="Provenance",
        ),
    log:
        f"{LOGS}/score.log",
    benchmark:
        f"{LOGS}/score.tsv"
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
        table=report(
            multiext(
                f"{RESULTS}/tables/{{paper}}.{{data}}", ".csv", ".md", ".tex", ".html"
            ),
            caption="../captions/table.rst",
            category="Results",
            subcategory="{paper} on {data}",
        ),
        metrics=report(
            multiext(
                f"{RESULTS}/tables/metrics.{{paper}}.{{data}}",
                ".csv",
                ".md",
                ".tex",
                ".html",
            ),
            caption="../captions/metrics.rst",
            category="Results",
            subcategory="{paper} on {data}",
        ),
        pairs=report(
            multiext(
                f"{RESULTS}/tables/pairs.{{paper}}.{{data}}",
                ".csv",
                ".md",
                ".tex",
                ".html",
            ),
            caption="../captions/pairs.rst",
            category="Results",
            subcategory="{paper} on {data}",
        ),
        protocols=report(
            multiext(
                f"{RESULTS}/tables/protocols.{{paper}}.{{data}}",
                ".csv",
                ".md",
                ".tex",
                ".html",
            ),
            caption="../captions/protocols.rst",
            category="Results",
            subcategory="{paper} on {data}",
        ),
        ambiguities=report(
            multiext(
                f"{RESULTS}/tables/ambiguities.{{paper}}.{{data}}",
                ".csv",
                ".md",
                ".html",
            ),
            caption="../captions/ambiguities.rst",
            category="Ambiguities",
            subcategory="{paper} on {data}",
        ),
    log:
        f"{LOGS}/tables/{{paper}}.{{data}}.log",
    benchmark:
        f"{LOGS}/tables/{{paper}}.{{data}}.tsv"
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
        printed=report(
            multiext(f"{RESULTS}/tables/printed.{{paper}}", ".md", ".tex", ".html"),
            caption="../captions/printed.rst",
            category="Results",
            subcategory="as printed",
        ),
        claims=report(
            multiext(
                f"{RESULTS}/tables/claims.{{paper}}", ".csv", ".md", ".tex", ".html"
            ),
            caption="../captions/claims.rst",
            category="Results",
            subcategory="as printed",
        ),
    log:
        f"{LOGS}/printed/{{paper}}.log",
    benchmark:
        f"{LOGS}/printed/{{paper}}.tsv"
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
        table=report(
            multiext(f"{RESULTS}/tables/verdicts", ".csv", ".md", ".tex", ".html"),
            caption="../captions/verdicts.rst",
            category="Results",
            subcategory="all papers",
        ),
        forest=report(
            multiext(f"{RESULTS}/figures/verdicts", ".svg", ".png"),
            caption="../captions/verdicts.rst",
            category="Results",
            subcategory="all papers",
        ),
    log:
        f"{LOGS}/verdicts.log",
    benchmark:
        f"{LOGS}/verdicts.tsv"
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
        forest=report(
            multiext(f"{RESULTS}/figures/forest/{{paper}}.{{data}}", ".svg", ".png"),
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


rule matrix:
    input:
        papers=[paper_path(paper) for paper in plan.papers],
        scores=f"{RESULTS}/scores.parquet",
        predictions=released([f"{run}/predictions.parquet" for run in MATRIX]),
        runs=released([f"{run}/run.json" for run in MATRIX]),
    output:
        table=report(
            multiext(f"{RESULTS}/tables/matrix", ".csv", ".md", ".tex", ".html"),
            caption="../captions/matrix.rst",
            category="Results",
            subcategory="methods × data sets",
        ),
    log:
        f"{LOGS}/matrix.log",
    benchmark:
        f"{LOGS}/matrix.tsv"
    conda:
        "../../envs/refer.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
        gpu=0,
    params:
        behaviour=BEHAVIOUR["reporting"],
        config=plan.config.model_dump(mode="json"),
    script:
        "../scripts/matrix.py"


# Every method of the matrix beside the best one, and what single things of them are worth.
rule ranking:
    input:
        papers=[paper_path(paper) for paper in plan.papers],
        scores=f"{RESULTS}/scores.parquet",
        predictions=released([f"{run}/predictions.parquet" for run in MATRIX]),
        runs=released([f"{run}/run.json" for run in MATRIX]),
    output:
        ranking=report(
            multiext(f"{RESULTS}/tables/ranking", ".csv", ".md", ".tex", ".html"),
            caption="../captions/ranking.rst",
            category="Results",
            subcategory="methods × data sets",
        ),
        contrasts=report(
            multiext(f"{RESULTS}/tables/contrasts", ".csv", ".md", ".tex", ".html"),
            caption="../captions/contrasts.rst",
            category="Results",
            subcategory="methods × data sets",
        ),
        figure=report(
            multiext(f"{RESULTS}/figures/ranking", ".svg", ".png"),
            caption="../captions/ranking.rst",
            category="Results",
            subcategory="methods × data sets",
        ),
    log:
        f"{LOGS}/ranking.log",
    benchmark:
        f"{LOGS}/ranking.tsv"
    conda:
        "../../envs/refer.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
        gpu=0,
    params:
        behaviour=BEHAVIOUR["reporting"],
        config=plan.config.model_dump(mode="json"),
    script:
        "../scripts/ranking.py"


rule realtime_table:
    input:
        papers=[paper_path(paper) for paper in plan.config.reproduce],
        measured=released(TIMES),
    output:
        report(
            multiext(f"{RESULTS}/tables/realtime", ".csv", ".md", ".tex", ".html"),
            caption="../captions/realtime.rst",
            category="Real time",
        ),
    log:
        f"{LOGS}/realtime_table.log",
    benchmark:
        f"{LOGS}/realtime_table.tsv"
    conda:
        "../../envs/refer.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
        gpu=0,
    params:
        behaviour=BEHAVIOUR["reporting"],
    script:
        "../scripts/realtime_table.py"


rule audit_report:
    input:
        released(audit_of),
    output:
        table=report(
            multiext(f"{RESULTS}/tables/audit.{{data}}", ".csv", ".md", ".html"),
            caption="../captions/audit.rst",
            category="Data",
            subcategory="{data}",
        ),
        crossings=report(
            multiext(f"{RESULTS}/figures/audit/{{data}}", ".svg", ".png"),
            caption="../captions/audit.rst",
            category="Data",
            subcategory="{data}",
        ),
        classes=report(
            multiext(f"{RESULTS}/figures/classes/{{data}}", ".svg", ".png"),
            caption="../captions/classes.rst",
            category="Data",
            subcategory="{data}",
        ),
    log:
        f"{LOGS}/audit/{{data}}.log",
    benchmark:
        f"{LOGS}/audit/{{data}}.tsv"
    conda:
        "../../envs/refer.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
        gpu=0,
    params:
        behaviour=BEHAVIOUR["reporting"],
    script:
        "../scripts/audit_report.py"


rule split_table:
    input:
        released(splits_of),
    output:
        report(
            multiext(
                f"{RESULTS}/tables/split.{{paper}}.{{data}}", ".csv", ".md", ".html"
            ),
            caption="../captions/split.rst",
            category="Data",
            subcategory="{data}",
        ),
    log:
        f"{LOGS}/split/{{paper}}.{{data}}.log",
    benchmark:
        f"{LOGS}/split/{{paper}}.{{data}}.tsv"
    conda:
        "../../envs/refer.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
        gpu=0,
    params:
        behaviour=BEHAVIOUR["reporting"],
    script:
        "../scripts/split_table.py"


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
        ranked=f"{RESULTS}/figures/ranking.png" if MATRIX else [],
        sensitivity=(
            f"{RESULTS}/tables/sensitivity.html" if plan.config.sensitivity else []
        ),
        swings=f"{RESULTS}/figures/sensitivity.svg" if plan.config.sensitivity else [],
        realtime=f"{RESULTS}/tables/realtime.csv" if TIMES else [],
        timings=released(TIMES),
        composed=found(
            [
                f"{RESULTS}/figures/composed/{paper}.{data}.svg"
                for paper, data in COMPOSED
            ]
        ),
        sheets=found([f"{RESULTS}/figures/sheets/{data}.png" for data in DRAWN]),
        copies=found([f"{RESULTS}/figures/copies/{data}.png" for data in DRAWN]),
    output:
        report(
            f"{RESULTS}/report.html",
            caption="../captions/page.rst",
            category="Front page",
        ),
    log:
        f"{LOGS}/page.log",
    benchmark:
        f"{LOGS}/page.tsv"
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
