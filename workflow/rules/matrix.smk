# Right of the predictions: all methods of all papers beside each other.


rule matrix:
    input:
        papers=[paper_path(paper) for paper in plan.papers],
        scores=f"{RESULTS}/scores.parquet",
        predictions=released([f"{run}/predictions.parquet" for run in MATRIX]),
        runs=released([f"{run}/run.json" for run in MATRIX]),
    output:
        table=shown(
            f"{RESULTS}/tables/matrix",
            ".csv",
            ".md",
            ".tex",
            ".html",
            caption="../captions/matrix.rst",
            category="Results",
            subcategory="methods × data sets",
        ),
        # Every method beside the best one, and what single things of them are worth.
        ranking=shown(
            f"{RESULTS}/tables/ranking",
            ".csv",
            ".md",
            ".tex",
            ".html",
            caption="../captions/ranking.rst",
            category="Results",
            subcategory="methods × data sets",
        ),
        contrasts=shown(
            f"{RESULTS}/tables/contrasts",
            ".csv",
            ".md",
            ".tex",
            ".html",
            caption="../captions/contrasts.rst",
            category="Results",
            subcategory="methods × data sets",
        ),
        figure=shown(
            f"{RESULTS}/figures/ranking",
            ".svg",
            ".png",
            caption="../captions/ranking.rst",
            category="Results",
            subcategory="methods × data sets",
        ),
    log:
        f"{LOGS}/matrix.log",
    benchmark:
        f"{LOGS}/matrix.tsv"
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
        "../scripts/matrix.py"
