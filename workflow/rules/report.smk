# Right of the scores: tables, figures, the front page. Many to a job, for a job costs a start of Python.


rule table:
    input:
        paper=paper_file,
        scores=f"{RESULTS}/scores.parquet",
        predictions=runs_of(PREDICTIONS),
        runs=runs_of(RECORDS),
    output:
        table=report(
            multiext(
                f"{RESULTS}/tables/{{paper}}.{{data}}", ".csv", ".md", ".tex", ".html"
            ),
            caption="../captions/table.rst",
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
    script:
        "../scripts/table.py"


rule figures:
    input:
        paper=paper_file,
        table=f"{RESULTS}/tables/{{paper}}.{{data}}.csv",
        predictions=runs_of(PREDICTIONS),
        runs=runs_of(RECORDS),
        training=runs_of(CURVES),
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
        predictions=[f"{run}/predictions.parquet" for run in MATRIX],
        runs=[f"{run}/run.json" for run in MATRIX],
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


rule explained:
    input:
        paper=paper_file,
        explanations=runs_of(EXPLANATIONS),
    output:
        representations=report(
            directory(f"{RESULTS}/figures/representations/{{paper}}.{{data}}"),
            patterns=["{space}.svg"],
            caption="../captions/representations.rst",
            category="Explanations",
            labels={"representation space": "{space}"},
        ),
        attention=report(
            directory(f"{RESULTS}/figures/attention/{{paper}}.{{data}}"),
            patterns=["{map}.svg"],
            caption="../captions/attention.rst",
            category="Explanations",
            labels={"attention": "{map}"},
        ),
    log:
        f"{LOGS}/explained/{{paper}}.{{data}}.log",
    benchmark:
        f"{LOGS}/explained/{{paper}}.{{data}}.tsv"
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
    script:
        "../scripts/explained.py"


rule audit_report:
    input:
        "data/audit/{data}/audit.json",
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
        splits_of,
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


# Of drawn data alone: no picture of a real person is ever put into a report.
rule contact_sheet:
    input:
        images="data/prepared/{data}/images.npy",
        index="data/prepared/{data}/index.parquet",
        about="data/prepared/{data}/prepare.json",
        duplicates="data/audit/{data}/duplicates.parquet",
        near="data/audit/{data}/near.parquet",
    output:
        sheet=report(
            f"{RESULTS}/figures/sheets/{{data}}.png",
            caption="../captions/sheet.rst",
            category="Data",
            subcategory="{data}",
        ),
        copies=report(
            f"{RESULTS}/figures/copies/{{data}}.png",
            caption="../captions/copies.rst",
            category="Data",
            subcategory="{data}",
        ),
    log:
        f"{LOGS}/sheets/{{data}}.log",
    benchmark:
        f"{LOGS}/sheets/{{data}}.tsv"
    wildcard_constraints:
        data=r"[a-z0-9]+-standin",
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
        "../scripts/contact_sheet.py"


# Of drawn faces on drawn scenes alone.
rule composed:
    input:
        images="data/prepared/{data}/images.npy",
        index="data/prepared/{data}/index.parquet",
        about="data/prepared/{data}/prepare.json",
        backgrounds="data/backgrounds/scenes/backgrounds.npy",
    output:
        report(
            multiext(f"{RESULTS}/figures/composed/{{paper}}.{{data}}", ".svg", ".png"),
            caption="../captions/composed.rst",
            category="Data",
            subcategory="{data}",
        ),
    log:
        f"{LOGS}/composed/{{paper}}.{{data}}.log",
    benchmark:
        f"{LOGS}/composed/{{paper}}.{{data}}.tsv"
    wildcard_constraints:
        data=r"[a-z0-9]+-standin",
    conda:
        "../../envs/refer.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
        gpu=0,
    params:
        behaviour=BEHAVIOUR["reporting"],
        how=lambda wildcards: COMPOSED[wildcards.paper, wildcards.data],
    script:
        "../scripts/composed.py"


rule page:
    input:
        papers=[paper_path(paper) for paper in plan.config.reproduce],
        scores=f"{RESULTS}/scores.parquet",
        listing=f"{RESULTS}/tables/runs.csv",
        predictions=PREDICTIONS,
        runs=RECORDS,
        audits=[f"data/audit/{data}/audit.json" for data in DATA],
        audit_tables=[f"{RESULTS}/tables/audit.{data}.csv" for data in DATA],
        split_tables=[
            f"{RESULTS}/tables/split.{paper}.{data}.csv" for paper, data in DIVIDED
        ],
        splits=[
            f"data/splits/{data}/{paper}.{protocol}.parquet"
            for data, paper, protocol in plan.splits()
        ],
        tables=[f"{RESULTS}/tables/{paper}.{data}.html" for paper, data in CELLS],
        forest=[f"{RESULTS}/figures/forest/{paper}.{data}.svg" for paper, data in CELLS],
        curves=[f"{RESULTS}/figures/curves/{paper}.{data}" for paper, data in CELLS],
        confusion=[
            f"{RESULTS}/figures/confusion/{paper}.{data}" for paper, data in CELLS
        ],
        audit=[f"{RESULTS}/figures/audit/{data}.svg" for data in DATA],
        classes=[f"{RESULTS}/figures/classes/{data}.svg" for data in DATA],
        representations=[
            f"{RESULTS}/figures/representations/{paper}.{data}"
            for paper, data in SHOWN
        ],
        attention=[
            f"{RESULTS}/figures/attention/{paper}.{data}" for paper, data in SHOWN
        ],
        matrix=f"{RESULTS}/tables/matrix.html" if MATRIX else [],
        realtime=f"{RESULTS}/tables/realtime.csv" if TIMED else [],
        timings=f"{RESULTS}/realtime" if TIMED else [],
        composed=[
            f"{RESULTS}/figures/composed/{paper}.{data}.svg"
            for paper, data in COMPOSED
        ],
        sheets=[f"{RESULTS}/figures/sheets/{data}.png" for data in DRAWN],
        copies=[f"{RESULTS}/figures/copies/{data}.png" for data in DRAWN],
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
        regenerate=[command_again()],
        choices={name: dict(chosen) for name, chosen in plan.config.ambiguity.items()},
        override={
            name: dict(wanted.override)
            for name, wanted in plan.config.reproduce.items()
        },
    script:
        "../scripts/page.py"
