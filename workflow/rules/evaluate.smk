# What trained networks do with data at hand: show where they look, take their time. (`infer` is beside `train`.)


rule explain:
    input:
        checkpoint=f"{RUN}/checkpoint.safetensors",
        images="data/prepared/{data}/images.npy",
        index="data/prepared/{data}/index.parquet",
        about="data/prepared/{data}/prepare.json",
        split=split_file,
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
        mem_mb=grows(plan.config.train_mem_mb),
        runtime=grows(30),
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
        [f"{RESULTS}/runs/{run.path}/checkpoint.safetensors" for run in plan.timed()],
    output:
        TIMES,
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
