"""ReFER: reproducible facial expression recognition, from raw archives to comparison tables."""

__version__ = "0.1.0"

BEHAVIOUR = {"standin": 1, "datasets": 2, "training": 3, "inference": 2, "scores": 4, "reporting": 7}
"""A number a stage, raised when its code gives other output for equal input.

Snakemake sees changed inputs, parameters and scripts, not a changed library. These numbers are parameters of
the rules, so that what an old version made is made again, and what only became tidier or faster is not.
"""
