# What trained networks do: predict, show where they look, take their time. Then scores, without data, GPU and torch.


rule explain:
    input:
        checkpoint=f"{RUN}/checkpoint.safetensors",
        images="data/prepared/{data}/images.npy",
        index="data/prepared/{data}/index.parquet",
        about="data/prepared/{data}/prepare.json",
        split="data/splits/{data}/{paper}.{protocol}.parquet",
        backgrounds=backgrounds_of,
    output:
        f"{RUN}/explanations.safetensors",
    log:
        f"{RUN_LOG}/explain.log",
    benchmark:
        f"{RUN_LOG}/explain.tsv"
    conda:
        "../../envs/refer.yaml"
    threads: plan.config.threads
    resources:
        mem_mb=plan.config.train_mem_mb,
        runtime=30,
        gpu=gpus(plan.config.device),
    params:
        behaviour=BEHAVIOUR["inference"],
        preset=plan.config.preset,
        device=plan.config.device,
    script:
        "../scripts/explain.py"


# All in one job with the machine to itself: beside other work the times would say nothing.
rule realtime:
    input:
        papers=[paper_path(paper) for paper in plan.config.reproduce],
        checkpoints=[
            f"{RESULTS}/runs/{run.path}/checkpoint.safetensors"
            for run in plan.examples()
        ],
    output:
        measured=directory(f"{RESULTS}/realtime"),
        table=report(
            multiext(f"{RESULTS}/tables/realtime", ".csv", ".md", ".tex", ".html"),
            caption="../captions/realtime.rst",
            category="Real time",
        ),
    log:
        f"{LOGS}/realtime.log",
    benchmark:
        f"{LOGS}/realtime.tsv"
    conda:
        "../../envs/refer.yaml"
    # As many as there are: Snakemake cuts this down to its cores, and `workflow.cores` is not known to --report.
    threads: 512
    resources:
        mem_mb=plan.config.train_mem_mb,
        runtime=60,
        gpu=gpus(plan.config.device),
    params:
        behaviour=BEHAVIOUR["inference"],
        preset=plan.config.preset,
        device=plan.config.device,
        threads=plan.config.threads,
        seconds=plan.config.realtime_seconds,
    script:
        "../scripts/realtime.py"


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
