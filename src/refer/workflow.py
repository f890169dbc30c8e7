"""What the Snakefile and its scripts share: a checked plan, logs, and errors without tracebacks."""

from __future__ import annotations

import gc
import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refer.errors import UserError, of_the_machine
from refer.gpus import handed_out, visible

# Every script begins here, and most plan nothing: what checks configurations takes 0.25 s to import.
if TYPE_CHECKING:
    from refer.plan import Plan

SNAKEMAKES_LIMIT = (100, 1.0)
"""Jobs started in so many seconds, at most, if nobody says otherwise."""


class _Mendable(SystemExit):
    """Ends Snakemake with a line that a person can act on; of a WorkflowError it would also print the trace."""

    def __init__(self, error: UserError) -> None:
        super().__init__(f"error: {error}")


def load(
    config: Mapping[str, Any], configfiles: Sequence[Any], base: str | Path, given: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], Plan]:
    """Check Snakemake's configuration and the papers that it names, before any job is planned.

    Also lets the jobs find this library.

    Args:
        config: files and `--config` merged.
        configfiles: those given on the command line; none means config.yaml.
        base: the folder of the Snakefile.
        given: what `--config` gave of it, in which Snakemake leaves `false`, and numbers in sections, as text.

    Returns:
        The configuration with its dotted keys unfolded, and the plan.

    Raises:
        SystemExit: with one or two readable lines on standard error.
    """
    from refer import yaml
    from refer.plan import load_plan, unfold

    # Jobs find the library also where it is not installed, as in a conda environment made from envs/refer.yaml.
    places = [str(Path(base, "src")), os.environ.get("PYTHONPATH")]
    os.environ["PYTHONPATH"] = os.pathsep.join(place for place in places if place)
    # In front of Slurm's own: profiles/slurm says why.
    if shutil.which("squeue"):
        os.environ["PATH"] = os.pathsep.join([str(Path(base, "profiles/slurm/bin").resolve()), os.environ["PATH"]])
    # Snakemake starts scripts with an unquoted path of the interpreter (snakemake/snakemake#2645).
    if " " in sys.executable:
        sys.executable = os.path.relpath(sys.executable)
    where = " + ".join(os.path.relpath(file) for file in configfiles) or "config.yaml"
    try:
        for file in configfiles:
            yaml.read(file)  # Snakemake's own reader knows no bounds, and keeps the last of two equal keys
        plain = unfold(_read_again(config, given or {}), where)
        return plain, load_plan(plain, where, base)
    except UserError as error:
        raise _Mendable(error) from None


def put_right(workflow: Any, folder: str, papers: Sequence[str]) -> Callable[[], None]:
    """Before Snakemake looks at them, put right the times that lie; see `refer.storage.file_times`. Jobs do not.

    Args:
        workflow: Snakemake's.
        folder: results/<preset>.
        papers: the papers' files.

    Returns:
        What is to be called when the run ends.
    """
    from refer.storage.file_times import remember, settle

    places = Path(folder), Path(".snakemake") / f"refer.{Path(folder).name}.json"
    if workflow.is_main_process:
        for line in settle(*places, others=papers):
            print(f"note: {line}", file=sys.stderr)
    return lambda: remember(*places)


def _read_again(config: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return `config` with each value that is still as it was `given` read as YAML reads it."""
    from refer import yaml

    def value(here: Any, there: Any) -> Any:
        if isinstance(here, dict) and isinstance(there, dict):
            return _read_again(here, there)
        return yaml.scalar(here) if isinstance(here, str) and here == there else here

    return {key: value(each, given.get(key)) for key, each in config.items()}


def calm(workflow: Any) -> None:
    """Have Snakemake's scheduler look for jobs to start when one ends, and not ever more often beside that.

    While jobs are limited to so many a second, each look at jobs that are ready sets a clock for another one, a second
    later: a run of hundreds of jobs ends with hundreds of looks a second, a fifth of two cores in the demo
    (snakemake/snakemake#2967). Snakemake's own limit, 100 jobs a second, is never reached; another one is kept.

    Args:
        workflow: Snakemake's, when its scheduler is made and has not begun.
    """
    scheduler = getattr(workflow, "scheduler", None)
    limiter = getattr(scheduler, "job_rate_limiter", None)
    if limiter is not None and (limiter.max_jobs, limiter.timespan) == SNAKEMAKES_LIMIT:
        scheduler.job_rate_limiter = None  # type: ignore[union-attr]


def review(workflow: Any, plan: Plan, folder: str, files: Sequence[str]) -> Callable[[], None]:
    """Return what the reviewer's entry does once, while Snakemake builds the DAG, before any input is looked at.

    It sees that all that tables are made from is there, is what was released where a release says what that is, and
    ran with what the configuration asks for.
    Then it has all of them made again: in a checkout, the times of files say nothing of what is out of date. (When
    the Snakefile is read, Snakemake does not know yet what is forced, and `-F` is easily forgotten.)

    Args:
        workflow: Snakemake's.
        plan: what is asked for.
        folder: results/<preset>.
        files: those that tables are made from.
    """

    @cache
    def begin() -> None:
        from refer.release.manifest import check_border
        from refer.reporting.as_planned import check_as_planned

        try:
            check_border(Path(folder), [Path(file) for file in files])
            check_as_planned(plan, [file for file in files if file.endswith("/run.json")])
        except UserError as error:
            raise _Mendable(error) from None
        workflow.dag.forcerules.update(workflow.rules)

    return begin


def fingerprint_of_source(dataset: str, source: str | Sequence[str], receipt: Path) -> str:
    """What tells one state of a raw source from another; see `refer.datasets.raw.sources.fingerprint`.

    Raises:
        SystemExit: the source is missing; tells how to get the data set.
    """
    from refer.datasets.raw import sources

    try:
        sources.check(dataset, source, receipt)
        return sources.fingerprint(source, receipt, dataset)
    except UserError as error:
        raise _Mendable(error) from None


def gpus(device: str) -> int:
    """How many GPUs a training job asks the scheduler for: one, unless it is to run on the CPU.

    With `auto` the machine that plans is asked, without importing torch.
    """
    return int(bool(visible())) if device == "auto" else int(device == "cuda")


class Tracker:
    """Tells a job's progress file how far the work is; made before the total is known."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._progress: Any = None
        self._total: int | None = None

    def __call__(self, label: str, unit: str) -> Callable[..., None]:
        """Return `report(done, total, note="")`, counted in `unit`; the first report is where the work starts."""
        from refer.progress import Progress, progress_file

        def report(done: int, total: int | None, note: str = "") -> None:
            if total is None:
                return
            if self._progress is None or total != self._total:
                # A download and then its unpacking are one job's work, counted in the same unit.
                self.close()
                self._total = total
                self._progress = Progress(total, label=label, unit=unit, file=progress_file(self._log), initial=done)
                self._progress.__enter__()
            self._progress.update(done, note)

        return report

    def close(self) -> None:
        """Remove the progress file."""
        if self._progress is not None:
            self._progress.__exit__(None, None, None)


def planned(snakemake: Any) -> Plan:
    """Return the plan of a rule whose `params.config` is the checked configuration, `input.papers` the papers' files.

    The files are the rule's inputs, wherever the job starts. `input.runs`, if any, are compared with the plan.

    Raises:
        UserError: a run differs from what is asked for.
    """
    from refer.plan import load_plan
    from refer.reporting.as_planned import check_as_planned

    folder = Path(snakemake.input.papers[0]).absolute().parent
    plan = load_plan({**json.loads(snakemake.params.config), "papers": str(folder)}, "the configuration")
    check_as_planned(plan, snakemake.input.get("runs", []))
    return plan


def as_text(value: Any) -> str:
    """Return a parameter of a rule as JSON without `<`, `>` and `&`, for `json.loads`.

    Snakemake writes parameters as they are into the script of its report, where `</script>` would end that.
    """
    return json.dumps(value).translate({ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&"})


@contextmanager
def job(snakemake: Any) -> Iterator[Tracker]:
    """Run a script's work: what it prints goes to the rule's log, what the user can mend ends in one line there."""
    if (config := getattr(snakemake, "config", {})).get("datasets"):
        from refer.declared import declare

        declare(config)
    log = Path(str(snakemake.log[0]))
    log.parent.mkdir(parents=True, exist_ok=True)
    tracker = Tracker(log)
    failed = False
    with log.open("w", encoding="utf-8", buffering=1) as handle, _printing_to(handle.fileno()):
        try:
            with handed_out(int(getattr(snakemake, "resources", {}).get("gpu", 0))):
                yield tracker
        except UserError as error:
            failed = True
            print(f"error: {error}")
            from refer.training.stopping import StoppedError, requeue_if_preempted

            if isinstance(error, StoppedError) and requeue_if_preempted():
                print("preempted: Slurm puts this job back into its queue.")
        except Exception as error:
            failed = True
            if line := of_the_machine(error):
                print(f"error: {line}")
            else:
                traceback.print_exc()
        finally:
            tracker.close()
    # Python would look through every object once more before it ends: 0.4 s where PyTorch was imported. Where that
    # brought Triton (torchvision's networks do), what is left is called leaked, in many lines on the terminal.
    if "triton" not in sys.modules:
        gc.freeze()
    if failed:
        # Not an exception: the log says what happened, and a traceback of this line would tell nobody anything.
        sys.exit(1)


@contextmanager
def _printing_to(descriptor: int) -> Iterator[None]:
    """Send standard output and error there, also what libraries written in C print."""
    streams = (sys.stdout, sys.stderr)
    saved = []
    for number, stream in enumerate(streams, start=1):
        stream.flush()
        saved.append(os.dup(number))
        os.dup2(descriptor, number)
    try:
        yield
    finally:
        for number, (stream, old) in enumerate(zip(streams, saved, strict=True), start=1):
            stream.flush()
            os.dup2(old, number)
            os.close(old)
