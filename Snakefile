# ReFER: raw archives of facial expressions in, comparison tables out. Start with README.md.
#
#   obtain → prepare → audit → split → train → infer → score → tables → figures → report

from pathlib import Path

ROOT = Path(workflow.basedir)
BEGIN = None


include: "workflow/rules/common.smk"


report: "workflow/captions/workflow.rst"


rule all:
    default_target: True
    input:
        REPORT,


include: "workflow/rules/needs.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/batch_tokens.smk"
include: "workflow/rules/pictures.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/border.smk"
include: "workflow/rules/page.smk"
include: "workflow/rules/stages.smk"


# On a cluster what is over in seconds stays on the machine that runs Snakemake; what needs data, memory or a GPU goes.
localrules:
    split,
    keep_audit,
    keep_split,
    score,
    tables,
    figures,
    batch_tokens_table,
    realtime_table,
    explained,
    audit_report,
    split_table,
    contact_sheet,
    composed,
    measures,
    page,
