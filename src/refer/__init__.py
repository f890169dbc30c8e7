"""ReFER: reproducible facial expression recognition, from raw archives to comparison tables."""

import sys
from types import TracebackType

__version__ = "0.1.0"

BEHAVIOUR = {"standin": 3, "datasets": 3, "training": 4, "inference": 2, "scores": 4, "reporting": 11}
"""A number a stage, raised when its code gives other output for equal input.

Snakemake sees changed inputs, parameters and scripts, not a changed library. These numbers are parameters of
the rules, so that what an old version made is made again, and what only became tidier or faster is not.
"""


def _ended(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """End a job that did not get as far as `workflow.job`, which says what went wrong there.

    Nothing is said of Ctrl-C, whatever the job was doing: Snakemake tells which jobs were interrupted. Of a machine
    that cannot even load the libraries it is a line.
    """
    if issubclass(kind, KeyboardInterrupt):
        return
    from refer.errors import of_the_machine

    if line := of_the_machine(error):
        print(f"error: {line}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


if "/.snakemake/scripts/" in sys.argv[0]:  # a job of the workflow
    sys.excepthook = _ended
