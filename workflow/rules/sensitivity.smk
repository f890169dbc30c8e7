# Right of the predictions: what each thing that a paper leaves open is worth.

COMPARED = [f"{RESULTS}/runs/{run.path}" for run in plan.sensitivity()]


rule sensitivity:
    input:
        papers=[paper_path(paper) for paper in plan.config.sensitivity],
        predictions=released([f"{run}/predictions.parquet" for run in COMPARED]),
        runs=released([f"{run}/run.json" for run in COMPARED]),
    output:
        table=shown(
            f"{RESULTS}/tables/sensitivity",
            ".csv",
            ".md",
            ".tex",
            ".html",
            caption="../captions/sensitivity.rst",
            category="Ambiguities",
            subcategory="what they are worth",
        ),
        figure=shown(
            f"{RESULTS}/figures/sensitivity",
            ".svg",
            ".png",
            caption="../captions/sensitivity.rst",
            category="Ambiguities",
            subcategory="what they are worth",
        ),
    log:
        f"{LOGS}/sensitivity.log",
    benchmark:
        f"{LOGS}/sensitivity.tsv"
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
        config=plan.config.model_dump(mode="json"),
    script:
        "../scripts/sensitivity.py"
