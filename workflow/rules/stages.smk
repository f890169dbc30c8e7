# Names for what DVC's stages make (dvc.yaml, docs/dvc.md); good targets for people, too.


rule prepared:
    input:
        AUDITS,
        SPLITS,
        IMAGES,
        (
            f"data/backgrounds/{BACKGROUNDS}/backgrounds.npy"
            if any(run.recipe.compose for run in plan.runs())
            else []
        ),


# All that tables and figures are made from, and whatever else needs images or networks.
rule predicted:
    input:
        BORDER,
        EXPLANATIONS,
        [f"{RESULTS}/figures/representations/{paper}.{data}" for paper, data in SHOWN],
        [f"{RESULTS}/figures/sheets/{data}.png" for data in DRAWN],
        [f"{RESULTS}/figures/composed/{paper}.{data}.svg" for paper, data in COMPOSED],
