# From predictions to scores: no data, no GPU, no torch from here on.


rule score:
    input:
        predictions=PREDICTIONS,
        runs=RECORDS,
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
