# ReFER: raw archives of facial expressions in, comparison tables out. Start with README.md.
#
#   obtain → prepare → audit → split → train → infer → score → compare → figures → report

from pathlib import Path

from snakemake.utils import min_version, validate

min_version("9.27")

# A preset passed with --configfile is whole: the demo's configuration is not laid under it.
if not workflow.overwrite_configfiles:

    configfile: "config.yaml"


from refer.workflow import gpus, load

config, plan = load(config, workflow.overwrite_configfiles, workflow.basedir)
validate(config, "workflow/schemas/config.schema.json", set_default=False)

RESULTS = f"results/{plan.config.preset}"
LOGS = f"logs/{plan.config.preset}"
RUN = f"{RESULTS}/runs/{{paper}}/{{data}}/{{protocol}}/{{method}}/seed{{seed}}"
RUN_LOG = f"{LOGS}/runs/{{paper}}/{{data}}/{{protocol}}/{{method}}/seed{{seed}}"


wildcard_constraints:
    dataset=r"[a-z0-9]+",
    data=r"[a-z0-9]+(-standin)?",
    backgrounds=r"scenes|photographs",
    paper=r"[a-z0-9_-]+",
    protocol=r"published|audited",
    method=r"[a-z0-9_-]+",
    seed=r"\d+(-fold\d+)?",


report: "workflow/captions/workflow.rst"


rule all:
    default_target: True
    input:
        f"{RESULTS}/report.html",


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"
