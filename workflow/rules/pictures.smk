# Pictures that need images, backgrounds or explanations. A reviewer takes them as they are.


rule explained:
    input:
        paper=paper_file,
        explanations=runs_of(EXPLANATIONS),
    output:
        representations=report(
            directory(f"{RESULTS}/figures/representations/{{paper}}.{{data}}"),
            patterns=["{space}.svg"],
            caption="../captions/representations.rst",
            category="Explanations",
            labels={"representation space": "{space}"},
        ),
        attention=report(
            directory(f"{RESULTS}/figures/attention/{{paper}}.{{data}}"),
            patterns=["{map}.svg"],
            caption="../captions/attention.rst",
            category="Explanations",
            labels={"attention": "{map}"},
        ),
    log:
        f"{LOGS}/explained/{{paper}}.{{data}}.log",
    benchmark:
        f"{LOGS}/explained/{{paper}}.{{data}}.tsv"
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
        choices=choices,
        override=override,
    script:
        "../scripts/explained.py"


# Of drawn data alone: no picture of a real person is ever put into a report.
rule contact_sheet:
    input:
        images="data/prepared/{data}/images.npy",
        index="data/prepared/{data}/index.parquet",
        about="data/prepared/{data}/prepare.json",
        duplicates="data/audit/{data}/duplicates.parquet",
        near="data/audit/{data}/near.parquet",
    output:
        sheet=report(
            f"{RESULTS}/figures/sheets/{{data}}.png",
            caption="../captions/sheet.rst",
            category="Data",
            subcategory="{data}",
        ),
        copies=shown(
            f"{RESULTS}/figures/copies/{{data}}",
            ".svg",
            ".png",
            caption="../captions/copies.rst",
            category="Data",
            subcategory="{data}",
        ),
    log:
        f"{LOGS}/sheets/{{data}}.log",
    benchmark:
        f"{LOGS}/sheets/{{data}}.tsv"
    wildcard_constraints:
        data=r"[a-z0-9]+-standin",
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
        "../scripts/contact_sheet.py"


# Of drawn faces on drawn scenes alone.
rule composed:
    input:
        images="data/prepared/{data}/images.npy",
        index="data/prepared/{data}/index.parquet",
        about="data/prepared/{data}/prepare.json",
        backgrounds="data/backgrounds/scenes/backgrounds.npy",
    output:
        shown(
            f"{RESULTS}/figures/composed/{{paper}}.{{data}}",
            ".svg",
            ".png",
            caption="../captions/composed.rst",
            category="Data",
            subcategory="{data}",
        ),
    log:
        f"{LOGS}/composed/{{paper}}.{{data}}.log",
    benchmark:
        f"{LOGS}/composed/{{paper}}.{{data}}.tsv"
    wildcard_constraints:
        data=r"[a-z0-9]+-standin",
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
        how=lambda wildcards: COMPOSED[wildcards.paper, wildcards.data],
    script:
        "../scripts/composed.py"
