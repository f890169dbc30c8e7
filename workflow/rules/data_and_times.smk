# Tables and figures of what the border holds beside predictions: audits, splits, times of one face.


rule audit_report:
    input:
        released(audit_of),
    output:
        table=shown(
            f"{RESULTS}/tables/audit.{{data}}",
            ".csv",
            ".md",
            ".html",
            caption="../captions/audit.rst",
            category="Data",
            subcategory="{data}",
        ),
        crossings=shown(
            f"{RESULTS}/figures/audit/{{data}}",
            ".svg",
            ".png",
            caption="../captions/audit.rst",
            category="Data",
            subcategory="{data}",
        ),
        classes=shown(
            f"{RESULTS}/figures/classes/{{data}}",
            ".svg",
            ".png",
            caption="../captions/classes.rst",
            category="Data",
            subcategory="{data}",
        ),
    log:
        f"{LOGS}/audit/{{data}}.log",
    benchmark:
        f"{LOGS}/audit/{{data}}.tsv"
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
    script:
        "../scripts/audit_report.py"


rule split_table:
    input:
        released(splits_of),
    output:
        shown(
            f"{RESULTS}/tables/split.{{paper}}.{{data}}",
            ".csv",
            ".md",
            ".html",
            caption="../captions/split.rst",
            category="Data",
            subcategory="{data}",
        ),
    log:
        f"{LOGS}/split/{{paper}}.{{data}}.log",
    benchmark:
        f"{LOGS}/split/{{paper}}.{{data}}.tsv"
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
    script:
        "../scripts/split_table.py"


rule batch_tokens_table:
    input:
        papers=[paper_path(paper) for paper in plan.config.batch_tokens],
        measured=released(BATCH_TOKENS),
    output:
        table=shown(
            f"{RESULTS}/tables/batch_tokens",
            ".csv",
            ".md",
            ".tex",
            ".html",
            caption="../captions/batch_tokens.rst",
            category="Test batches",
        ),
        figure=shown(
            f"{RESULTS}/figures/batch_tokens",
            ".svg",
            ".png",
            caption="../captions/batch_tokens.rst",
            category="Test batches",
        ),
    log:
        f"{LOGS}/batch_tokens_table.log",
    benchmark:
        f"{LOGS}/batch_tokens_table.tsv"
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
    script:
        "../scripts/batch_tokens_table.py"


rule realtime_table:
    input:
        papers=PAPERS,
        runs=released(RECORDS),
        measured=released(TIMES),
    output:
        shown(
            f"{RESULTS}/tables/realtime",
            ".csv",
            ".md",
            ".tex",
            ".html",
            caption="../captions/realtime.rst",
            category="Real time",
        ),
    log:
        f"{LOGS}/realtime_table.log",
    benchmark:
        f"{LOGS}/realtime_table.tsv"
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
        config=checked,
    script:
        "../scripts/realtime_table.py"
