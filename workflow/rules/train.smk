# One job a run: paper × data set × protocol × method × seed. Everything that decides its outcome is a param. It also
# predicts, while PyTorch and the data are at hand, and leaves that beside the run; `infer` has then only to take it over.


rule train:
    input:
        images="data/prepared/{data}/images.npy",
        index="data/prepared/{data}/index.parquet",
        about="data/prepared/{data}/prepare.json",
        split=split_file,
        weights=weights_file,
        parents=checkpoints_of_parents,
        backgrounds=backgrounds_of,
    output:
        checkpoint=f"{RUN}/checkpoint.safetensors",
        curve=f"{RUN}/training.csv",
        about=f"{RUN}/run.json",
    log:
        f"{RUN_LOG}/train.log",
    benchmark:
        f"{RUN_LOG}/train.tsv"
    priority: NETWORKS_FIRST
    conda:
        "../../envs/refer.yaml"
    threads: plan.config.threads
    resources:
        mem_mb=grows(plan.config.train_mem_mb),
        runtime=grows(plan.config.train_minutes),
        gpu=gpus(plan.config.device),
    params:
        behaviour=BEHAVIOUR["training"],
        run=run_of,
        preset=plan.config.preset,
        device=plan.config.device,
        deterministic=plan.config.deterministic,
    script:
        "../scripts/train.py"


rule infer:
    input:
        checkpoint=f"{RUN}/checkpoint.safetensors",
        images="data/prepared/{data}/images.npy",
        index="data/prepared/{data}/index.parquet",
        about="data/prepared/{data}/prepare.json",
        split=split_file,
        backgrounds=backgrounds_of,
    output:
        f"{RUN}/predictions.parquet",
    log:
        f"{RUN_LOG}/infer.log",
    benchmark:
        f"{RUN_LOG}/infer.tsv"
    priority: NETWORKS_FIRST
    conda:
        "../../envs/refer.yaml"
    threads: plan.config.threads
    resources:
        mem_mb=grows(plan.config.train_mem_mb),
        runtime=grows(30),
        gpu=gpus_to_predict,
    params:
        behaviour=BEHAVIOUR["inference"],
        evaluated=evaluated,
        preset=plan.config.preset,
        device=plan.config.device,
    script:
        "../scripts/infer.py"
