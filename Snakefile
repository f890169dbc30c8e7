# The workflow is workflow/Snakefile; here `snakemake` finds it, beside config.yaml.


include: "workflow/Snakefile"


# What an included file makes by default is not taken over.
rule default:
    default_target: True
    input:
        rules.all.input,
