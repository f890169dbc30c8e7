# Left of the border: fusion attention tested in batches of several sizes and orders (src/refer/evaluation/batch_tokens.py).


rule batch_tokens:
    input:
        images="data/prepared/{data}/images.npy",
        index="data/prepared/{data}/index.parquet",
        about="data/prepared/{data}/prepare.json",
        split=audited_split,
        parents=extractors_of,
    output:
        f"{RESULTS}/batch_tokens/{TOKENS}.parquet",
    log:
        f"{LOGS}/batch_tokens/{TOKENS}.log",
    benchmark:
        f"{LOGS}/batch_tokens/{TOKENS}.tsv"
    conda:
        "../../envs/refer.yaml"
    threads: plan.config.threads
    resources:
        mem_mb=grows(plan.config.train_mem_mb),
        runtime=grows(plan.config.train_minutes),
        gpu=gpus(plan.config.device),
    params:
        behaviour=[BEHAVIOUR["training"], BEHAVIOUR["inference"]],
        run=matrix_run_of,
        grid=batches_tested,
        preset=plan.config.preset,
        device=plan.config.device,
    script:
        "../scripts/batch_tokens.py"
