# The reviewer's entry: every table and figure of a preset from its predictions, without data, GPU, torch or a network.
#   snakemake -s workflow/report.smk --cores 2 --configfile presets/fer2013-cpu.yaml


include: "rules/common.smk"


BEGIN = review(workflow, plan, RESULTS, BORDER)


report: "captions/workflow.rst"


rule all:
    default_target: True
    input:
        drawn_up,


include: "rules/report.smk"
include: "rules/data_and_times.smk"
include: "rules/page.smk"
