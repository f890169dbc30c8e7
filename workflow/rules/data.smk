# Left of training: raw archives to audited splits. Drawn data goes through the same rules as real data.

from refer.datasets import sources


def dataset_of(wildcards):
    return wildcards.data.removesuffix("-standin")


def is_drawn(wildcards):
    return wildcards.data.endswith("-standin")


def drawn_archive(wildcards):
    return f"data/standin/{dataset_of(wildcards)}.tar.gz" if is_drawn(wildcards) else []


def source_of(wildcards):
    return drawn_archive(wildcards) or plan.source(dataset_of(wildcards))


def fingerprint(wildcards):
    # Real sources are no Snakemake input: a disk that was unplugged after `obtain` must not stop the rest.
    if is_drawn(wildcards):
        return "drawn"
    receipt = Path(f"data/raw/{wildcards.data}/receipt.json")
    return sources.fingerprint(source_of(wildcards), receipt)


rule draw:
    output:
        "data/standin/{dataset}.tar.gz",
    params:
        how=lambda wildcards: plan.config.standin[wildcards.dataset].model_dump(),
    log:
        "logs/data/{dataset}/draw.log",
    benchmark:
        "logs/data/{dataset}/draw.tsv"
    conda:
        "../../envs/refer.yaml"
    threads: 2
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    script:
        "../scripts/draw.py"


rule obtain:
    input:
        drawn_archive,
    output:
        archive="data/raw/{data}/files.zip",
        receipt="data/raw/{data}/receipt.json",
    params:
        dataset=dataset_of,
        source=source_of,
        fingerprint=fingerprint,
        stand_in=is_drawn,
    log:
        "logs/data/{data}/obtain.log",
    benchmark:
        "logs/data/{data}/obtain.tsv"
    conda:
        "../../envs/refer.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
        gpu=0,
    script:
        "../scripts/obtain.py"


rule prepare:
    input:
        archive="data/raw/{data}/files.zip",
        receipt="data/raw/{data}/receipt.json",
    output:
        images="data/prepared/{data}/images.npy",
        index="data/prepared/{data}/index.parquet",
        about="data/prepared/{data}/prepare.json",
    params:
        dataset=dataset_of,
        tolerate=lambda wildcards: sorted(plan.config.tolerate.get(dataset_of(wildcards), [])),
    log:
        "logs/data/{data}/prepare.log",
    benchmark:
        "logs/data/{data}/prepare.tsv"
    conda:
        "../../envs/refer.yaml"
    threads: 2
    resources:
        mem_mb=4000,
        runtime=30,
        gpu=0,
    script:
        "../scripts/prepare.py"


rule audit:
    input:
        index="data/prepared/{data}/index.parquet",
        images="data/prepared/{data}/images.npy",
    output:
        duplicates="data/audit/{data}/duplicates.parquet",
        summary="data/audit/{data}/audit.json",
    params:
        dataset=dataset_of,
    log:
        "logs/data/{data}/audit.log",
    benchmark:
        "logs/data/{data}/audit.tsv"
    conda:
        "../../envs/refer.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
        gpu=0,
    script:
        "../scripts/audit.py"


rule split:
    input:
        index="data/prepared/{data}/index.parquet",
        duplicates="data/audit/{data}/duplicates.parquet",
    output:
        "data/splits/{data}/{paper}.{protocol}.parquet",
    params:
        parts=lambda wildcards: plan.papers[wildcards.paper].parts[dataset_of(wildcards)],
        audited=lambda wildcards: plan.papers[wildcards.paper].protocols[wildcards.protocol].audited,
        select=lambda wildcards: plan.papers[wildcards.paper].protocols[wildcards.protocol].select,
    log:
        "logs/data/{data}/split.{paper}.{protocol}.log",
    benchmark:
        "logs/data/{data}/split.{paper}.{protocol}.tsv"
    conda:
        "../../envs/refer.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
        gpu=0,
    script:
        "../scripts/split.py"
