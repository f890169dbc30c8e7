# The reviewer's entry: every table and figure of a preset from its predictions, without data, GPU, torch or a network.
#   snakemake -s workflow/report.smk --cores 2 --configfile presets/fer2013-cpu.yaml

from pathlib import Path

from refer.workflow import review

ROOT = Path(workflow.basedir).parent
BEGIN = review(workflow, lambda: (RESULTS, BORDER))


include: "rules/common.smk"


report: "captions/workflow.rst"


rule all:
    default_target: True
    input:
        REPORT,


include: "rules/report.smk"
include: "rules/border.smk"
include: "rules/page.smk"
