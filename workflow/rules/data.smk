# Left of training: raw archives to audited splits. Drawn data goes through the same rules as real data.


rule draw:
    output:
        "data/standin/{dataset}.tar.gz",
    log:
        "logs/data/{dataset}/draw.log",
    benchmark:
        "logs/data/{dataset}/draw.tsv"
    priority: DATA_FIRST
    conda:
        "../../envs/refer.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        behaviour=BEHAVIOUR["standin"],
        how=how_to_draw,
    script:
        "../scripts/draw.py"


rule obtain:
    input:
        drawn_archive,
    output:
        archive="data/raw/{data}/files.zip",
        receipt="data/raw/{data}/receipt.json",
    log:
        "logs/data/{data}/obtain.log",
    benchmark:
        "logs/data/{data}/obtain.tsv"
    priority: DATA_FIRST
    conda:
        "../../envs/refer.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=grows(240),
        gpu=0,
    params:
        behaviour=behaviour_of_data("size", "colour", "fit", "pair", "columns"),
        dataset=dataset_of,
        fingerprint=fingerprint,
        stand_in=is_drawn,
    script:
        "../scripts/obtain.py"


# Where nothing is chosen, parameters and script are those of before there was `choose`: nothing is prepared again.
rule prepare:
    input:
        archive="data/raw/{data}/files.zip",
        receipt="data/raw/{data}/receipt.json",
    output:
        images="data/prepared/{data}/images.npy",
        index="data/prepared/{data}/index.parquet",
        about="data/prepared/{data}/prepare.json",
    log:
        "logs/data/{data}/prepare.log",
    benchmark:
        "logs/data/{data}/prepare.tsv"
    priority: DATA_FIRST
    conda:
        "../../envs/refer.yaml"
    threads: cores_to_prepare
    resources:
        mem_mb=grows(4000),
        runtime=grows(30),
        gpu=0,
    params:
        **({"choose": chosen} if plan.config.choose else {}),
        behaviour=behaviour_of_data(),
        dataset=dataset_of,
        tolerate=tolerated,
        subject_pattern=subject_pattern,
        labels=label_rule,
        coding=coding,
        swapped=swapped,
        grey_levels=grey_levels,
    script:
        "../scripts/prepare_chosen.py"
        if plan.config.choose
        else "../scripts/prepare.py"


rule audit:
    input:
        index="data/prepared/{data}/index.parquet",
        images="data/prepared/{data}/images.npy",
    output:
        duplicates="data/audit/{data}/duplicates.parquet",
        near="data/audit/{data}/near.parquet",
        summary="data/audit/{data}/audit.json",
    log:
        "logs/data/{data}/audit.log",
    benchmark:
        "logs/data/{data}/audit.tsv"
    priority: DATA_FIRST
    conda:
        "../../envs/refer.yaml"
    threads: cores_to_prepare
    resources:
        mem_mb=grows(2000),
        runtime=grows(30),
        gpu=0,
    params:
        behaviour=BEHAVIOUR["datasets"],
        dataset=dataset_of,
    script:
        "../scripts/audit.py"


# Images of one data set that stand in another one, and how often their labels agree.
rule links:
    input:
        one="data/prepared/{data}/index.parquet",
        one_images="data/prepared/{data}/images.npy",
        other="data/prepared/{other}/index.parquet",
        other_images="data/prepared/{other}/images.npy",
    output:
        links="data/audit/{data}.in.{other}.parquet",
        summary=f"{RESULTS}/data/{{data}}.in.{{other}}.json",
        agreement=f"{RESULTS}/data/{{data}}.in.{{other}}.agreement.csv",
    log:
        f"{LOGS}/data/{{data}}.in.{{other}}.log",
    benchmark:
        f"{LOGS}/data/{{data}}.in.{{other}}.tsv"
    priority: DATA_FIRST
    conda:
        "../../envs/refer.yaml"
    threads: 1
    resources:
        mem_mb=grows(3000),
        runtime=10,
        gpu=0,
    params:
        behaviour=(BEHAVIOUR["datasets"], BEHAVIOUR["scores"]),
        datasets=lambda wildcards: [
            name.removesuffix("-standin") for name in (wildcards.data, wildcards.other)
        ],
    script:
        "../scripts/links.py"


rule split:
    input:
        index="data/prepared/{data}/index.parquet",
        duplicates="data/audit/{data}/duplicates.parquet",
        near="data/audit/{data}/near.parquet",
        audit="data/audit/{data}/audit.json",
        about="data/prepared/{data}/prepare.json",
    output:
        "data/splits/{data}/{paper}.{protocol}.parquet",
    log:
        "logs/data/{data}/split.{paper}.{protocol}.log",
    benchmark:
        "logs/data/{data}/split.{paper}.{protocol}.tsv"
    priority: DATA_FIRST
    localrule: True
    conda:
        "../../envs/refer.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
        gpu=0,
    params:
        behaviour=BEHAVIOUR["datasets"],
        scheme=scheme,
        audited=audited,
        near=near,
        select=selection,
    script:
        "../scripts/split.py"


# What feratt2019 composes faces on. A folder of photographs is no Snakemake input, as no raw source is.
rule backgrounds:
    output:
        pixels="data/backgrounds/{backgrounds}/backgrounds.npy",
        about="data/backgrounds/{backgrounds}/backgrounds.json",
    log:
        "logs/data/backgrounds/{backgrounds}.log",
    benchmark:
        "logs/data/backgrounds/{backgrounds}.tsv"
    priority: DATA_FIRST
    conda:
        "../../envs/refer.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(60),
        gpu=0,
    params:
        behaviour=BEHAVIOUR["datasets"],
        source=plan.config.backgrounds.source,
        number=plan.config.backgrounds.count,
        size=plan.config.backgrounds.stored,
        seed=plan.config.backgrounds.seed,
    script:
        "../scripts/backgrounds.py"


# What a report tells of audits and splits goes with the predictions, so that it needs no data.
rule keep_audit:
    input:
        "data/audit/{data}/audit.json",
    output:
        f"{RESULTS}/data/{{data}}/audit.json",
    log:
        f"{LOGS}/data/{{data}}/audit.log",
    benchmark:
        f"{LOGS}/data/{{data}}/audit.tsv"
    localrule: True
    conda:
        "../../envs/refer.yaml"
    threads: 1
    resources:
        mem_mb=100,
        runtime=5,
        gpu=0,
    params:
        behaviour=BEHAVIOUR["reporting"],
    shell:
        "cp {input:q} {output:q}.part 2> {log:q} && mv -f {output:q}.part {output:q} 2>> {log:q}"


rule keep_split:
    input:
        "data/splits/{data}/{paper}.{protocol}.parquet",
    output:
        f"{RESULTS}/data/{{data}}/split.{{paper}}.{{protocol}}.json",
    log:
        f"{LOGS}/data/{{data}}/split.{{paper}}.{{protocol}}.log",
    benchmark:
        f"{LOGS}/data/{{data}}/split.{{paper}}.{{protocol}}.tsv"
    localrule: True
    conda:
        "../../envs/refer.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
        gpu=0,
    params:
        behaviour=BEHAVIOUR["reporting"],
    script:
        "../scripts/keep_split.py"


# What own predictions are matched with (refer compare): which images there are, without any picture.
rule keep_images:
    input:
        index="data/prepared/{data}/index.parquet",
        images="data/prepared/{data}/images.npy",
        about="data/prepared/{data}/prepare.json",
        duplicates="data/audit/{data}/duplicates.parquet",
        near="data/audit/{data}/near.parquet",
        audit="data/audit/{data}/audit.json",
        split=listing_split,
    output:
        f"{RESULTS}/data/{{data}}/images.parquet",
    log:
        f"{LOGS}/data/{{data}}/images.log",
    benchmark:
        f"{LOGS}/data/{{data}}/images.tsv"
    localrule: True
    conda:
        "../../envs/refer.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=5,
        gpu=0,
    params:
        behaviour=BEHAVIOUR["datasets"],
        test=listing_test,
    script:
        "../scripts/keep_images.py"
