"""How far the work is: a job's own progress, the estimate for the run, and what a person sees of both."""

import contextlib
import io
import json
import logging
import os
import pty
import re
import select
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console, ConsoleDimensions
from snakemake_interface_logger_plugins.common import LogEvent

from refer import progress
from refer.progress import Progress, Rate, duration, progress_file, read, speed
from snakemake_logger_plugin_refer import LogHandler, failure, mistakes
from snakemake_logger_plugin_refer.display import render
from snakemake_logger_plugin_refer.state import Job, Run

SNAKEMAKE = Path(sys.executable).with_name("snakemake")


@pytest.fixture
def clock(monkeypatch):
    """A monotonic clock that goes only when it is told to."""
    hands = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(time, "monotonic", lambda: hands.now)
    return hands


# ---- a job's own progress


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (-3, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (3900, "1 h 05 min")],
)
def test_durations_are_told_in_their_two_largest_units(seconds, text):
    assert duration(seconds) == text
    assert duration(2 * 86400 + 3 * 3600) == "2 d 3 h"


def test_slow_work_is_told_in_seconds_per_unit():
    assert [speed(rate, "images") for rate in (1234.5, 3.14, 0.5, 0.01)] == [
        "1,234 images/s",
        "3.1 images/s",
        "2.0 s each",
        "1 min 40 s each",
    ]


def test_the_rate_follows_the_last_half_minute():
    rate = Rate(0, 0.0)
    assert rate.value is None
    for second in range(1, 101):
        rate.add(second * 10, float(second))
    assert rate.value == pytest.approx(10)
    for second in range(101, 201):
        rate.add(1000 + (second - 100) * 20, float(second))
    assert rate.value == pytest.approx(20, rel=0.05)


def test_the_file_tells_the_way_and_goes_away_at_the_end(tmp_path, clock):
    file = progress_file(tmp_path / "logs" / "train.log")
    with Progress(10, label="training", unit="epochs", file=file, initial=4) as work:
        assert read(file)[:5] == ("training", "epochs", 4, 10, "")
        clock.now += 6
        work.update(6, "loss 1.2")
        snapshot = read(file)
        assert (snapshot.done, snapshot.note) == (6, "loss 1.2")
        assert snapshot.seconds_left == pytest.approx(12), "the four epochs of an earlier process count for nothing"
        clock.now += 0.1
        work.update(7)
        assert read(file).done == 6, "written at most twice a second"
        assert set(json.loads(file.read_text())) == set(progress.Snapshot._fields)
    assert list(file.parent.iterdir()) == []


def test_an_interrupt_leaves_no_file(tmp_path):
    file = tmp_path / "x.log.progress"
    with pytest.raises(KeyboardInterrupt), Progress(2, label="x", unit="y", file=file):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_progress_that_cannot_be_written_does_not_stop_the_work(tmp_path):
    (tmp_path / "file").touch()
    with Progress(2, label="x", unit="y", file=tmp_path / "file" / "x.log.progress") as work:
        work.update(1)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"label": 1}', '{"done": NaN}'])
def test_a_file_that_is_not_ours_says_nothing(tmp_path, text):
    (tmp_path / "x").write_text(text)
    assert read(tmp_path / "x") is None
    assert read(tmp_path / "absent") is None


def test_lines_are_sparse_where_there_is_no_terminal(capsys, clock):
    with Progress(1000, label="drawing", unit="images") as work:
        for done in range(1, 1001):
            clock.now += 0.1
            work.update(done)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) in (10, 11)
    assert lines[0] == "drawing: 100/1,000 images (10 images/s · 1 min 30 s left)"
    assert lines[-1] == "drawing: 1,000/1,000 images in 1 min 40 s"


def test_a_bar_is_drawn_on_a_terminal(monkeypatch):
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with Progress(3, label="[b]drawing", unit="images") as work:
            work.update(3)
    shown = ""
    with contextlib.suppress(OSError):  # raised once all that was written has been read
        while piece := os.read(leader, 65_536):
            shown += piece.decode()
    assert "[b]drawing" in shown
    assert "3/3 images in 0 s" in shown
    assert shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l"), "the cursor is back"


# ---- the run's state


def job(number, rule="train", began=0.0, log=None, **wildcards):
    return Job(number, rule, wildcards, [log] if log else [], began)


def test_a_job_is_named_by_what_tells_it_apart():
    run = Run(began=0.0)
    first = job(1, preset="demo", data="fer2013", protocol="audited", method="full", seed="0")
    run.start(first)
    assert run.name(first) == "train fer2013 audited full seed0"
    run.start(job(2, preset="demo", data="fer2013-standin", protocol="audited", method="full", seed="0"))
    assert run.name(first) == "train fer2013 audited full seed0", "as it was told when it began"


def test_time_left_is_the_work_left_over_the_jobs_at_once():
    run = Run(began=0.0)
    run.plan({"train": 10, "total": 10})
    run.start(job(1))
    run.start(job(2))
    assert run.left(1.0) is None
    run.finish(1, 100.0)
    run.finish(2, 100.0)
    run.start(job(3, began=100.0))
    run.start(job(4, began=100.0))
    left = run.left(140.0)  # six waiting of 100 s, two with 60 s to go, two at once
    assert left.all_known
    assert left.seconds == pytest.approx((6 * 100 + 2 * 60) / 2)


def test_few_unknown_jobs_are_guessed_and_many_are_not():
    run = Run(began=0.0)
    run.plan({"train": 7, "report": 1, "all": 1})
    run.start(job(1))
    run.finish(1, 50.0)
    assert run.left(50.0) == (8 * 50, True)
    run.plan({"train": 7, "predict": 7})
    assert run.left(50.0) == (6 * 50, False), "worth telling, but only a part"
    run.plan({"train": 1, "predict": 7})
    assert run.left(50.0) is None


def test_a_jobs_own_estimate_counts_for_its_rule_and_never_less_than_the_longest(tmp_path, clock):
    log = tmp_path / "train.log"
    run = Run(began=clock.now)
    run.plan({"train": 2})
    run.start(job(1, began=clock.now, log=log))
    with Progress(10, label="training", unit="epochs", file=progress_file(log)) as work:
        clock.now += 20
        work.update(2)
        assert run.left(clock.now) == (80 + 100, True)
        clock.now += 30
        assert run.left(clock.now) == (50 + 100, True), "the estimate ages with the clock"
        run.start(job(2, began=clock.now))
        assert run.left(clock.now) == (100, True), "never less than the longest of the running ones"


def test_a_progress_file_of_a_killed_run_is_not_believed(tmp_path, clock):
    log = tmp_path / "x.log"
    left_behind = Progress(10, label="old", unit="epochs", file=progress_file(log))
    running = job(1, log=log)
    assert running.snapshot(clock.now) is None
    clock.now += 1
    os.utime(progress_file(log), ns=(1, 1))
    assert running.snapshot(clock.now).label == "old"
    left_behind.close()
    clock.now += 1
    assert running.snapshot(clock.now) is None


def test_jobs_added_by_a_checkpoint_do_not_break_the_count():
    run = Run(began=0.0)
    run.plan({"split": 1})
    for number in (1, 2, 3):
        run.start(job(number, rule="split" if number == 1 else "new"))
        run.finish(number, 1.0)
    assert (run.done, run.total) == (3, 3)
    assert run.finish(9, 1.0) is None


def test_the_picture_fits_the_terminal():
    run = Run(began=time.monotonic())
    run.plan({"train": 40})
    for number in range(30):
        run.start(job(number, began=time.monotonic(), method="a_long_name_of_a_method", seed=str(number)))
    for width, height in ((200, 50), (80, 24), (40, 10)):
        console = Console(width=width, height=height, force_terminal=True, file=io.StringIO())
        lines = console.render_lines(render(run, ConsoleDimensions(width, height)), pad=False)
        assert len(lines) <= height - 1
        text = "\n".join("".join(segment.text for segment in line) for line in lines)
        assert max(len(line.rstrip()) for line in text.split("\n")) <= width
        assert "0/40" in text
        assert (height > 30) == ("more " not in text)


# ---- failures


def test_the_jobs_own_error_is_found_in_its_log(tmp_path):
    log = tmp_path / "x.log"
    log.write_bytes(
        b"epoch 1\repoch 2\r\n\x1b[31mTraceback\x1b[0m\n  File x\nrefer.errors.UserError: what\nto do\n\xff\n"
    )
    lines = failure.last_lines(log)
    assert lines == ["epoch 2", "Traceback", "  File x", "refer.errors.UserError: what", "to do", "\ufffd"]
    assert failure.story(lines) == (lines[3:], lines[:3])
    assert failure.story(["fine", "done"]) == ([], ["fine", "done"])
    assert failure.story([str(number) for number in range(99)]).tail[0] == "89"
    assert failure.last_lines(tmp_path / "absent") == []


def test_how_a_command_ended_is_told():
    assert failure.exit_status("Command 'x' returned non-zero exit status 3.\n  File 'Snakefile'") == "exit status 3"
    assert "memory" in failure.exit_status("Command 'x' died with <Signals.SIGKILL: 9>.")
    assert failure.interrupted(failure.exit_status("Command 'x' died with <Signals.SIGINT: 2>."))
    assert failure.exit_status("MissingOutputException in rule x") is None


def test_a_users_mistake_is_told_without_frames():
    message = 'UserError in file "/x/Snakefile", line 5:\nno such paper\n  File "/x/Snakefile", line 5, in <module>'
    assert failure.without_frames(message) == "error: no such paper"
    elsewhere = 'WorkflowError in file "/x/a.smk", line 2:\nbad\n  File "/x/a.smk", line 2, in f'
    assert failure.without_frames(elsewhere) == 'WorkflowError in file "/x/a.smk", line 2:\nbad'


# ---- the handler


def settings(**changed):
    plain = {"printshellcmds": False, "nocolor": False, "quiet": None, "debug_dag": False, "verbose": False}
    return SimpleNamespace(**(plain | {"show_failed_logs": False, "stdout": False, "dryrun": False} | changed))


def record(message=None, event=None, level=logging.INFO, **fields):
    made = logging.LogRecord("snakemake", level, __file__, 1, str(message), None, None)
    made.__dict__.update(fields, **({"event": event} if event else {}))
    return made


def told(capsys, *records, **changed):
    handler = LogHandler(settings(**changed), None)
    for each in records:
        handler.handle(each)
    handler.close()
    handler.close()
    return capsys.readouterr()


FAILED = [
    record("Job stats", LogEvent.RUN_INFO, stats={"train": 1, "total": 1}),
    record("", LogEvent.JOB_INFO, jobid=1, rule_name="train", wildcards={"seed": "0"}, log=[], shellcmd="false"),
    record(
        "Command 'false' returned non-zero exit status 1.", LogEvent.ERROR, logging.ERROR, exception="RuleException"
    ),
    record("Error in rule train", LogEvent.JOB_ERROR, logging.ERROR, jobid=1, log=[], shellcmd="false", aux={}),
]


def test_a_failure_is_one_report_and_is_summed_up(capsys):
    text = told(capsys, *FAILED).err
    assert "[0/1] failed train seed0 after 0.0 s (exit status 1)" in text
    assert text.count("exit status") == 1
    assert text.endswith("failed: train seed0\nWhat is done is kept: the same command goes on from here.\n")


def test_what_a_jobs_log_notes_is_told_when_it_ends(capsys, tmp_path):
    log = tmp_path / "prepare.log"
    log.write_text("chatter\nnote: files not read: 3 (a, b, c)\n")
    text = told(
        capsys,
        record("Job stats", LogEvent.RUN_INFO, stats={"prepare": 1, "total": 1}),
        record("", LogEvent.JOB_INFO, jobid=1, rule_name="prepare", wildcards={}, log=[str(log)], output=["x"]),
        record("", LogEvent.JOB_FINISHED, job_id=1),
    ).err
    assert "    note: files not read: 3 (a, b, c)\n" in text
    assert "chatter" not in text


def test_how_a_command_ended_is_told_even_if_no_job_claims_it(capsys):
    assert "returned non-zero exit status 1" in told(capsys, *FAILED[:3]).err


def test_warnings_and_errors_get_through_and_chatter_does_not(capsys):
    text = told(
        capsys,
        record("Select jobs to execute..."),
        record("None", LogEvent.RULEGRAPH),
        record("Nothing to be done (all requested files are present and up to date)."),
        record("mind the gap", level=logging.WARNING),
        record("something broke", LogEvent.ERROR, logging.ERROR, exception="ValueError"),
    ).err
    assert text == (
        "Nothing to be done (all requested files are present and up to date).\nmind the gap\nsomething broke\n"
    )


def test_quiet_is_minded_and_failures_are_told_unless_all_is_unwanted(capsys):
    from snakemake.settings.enums import Quietness

    text = told(capsys, *FAILED, quiet={Quietness.PROGRESS, Quietness.RULES}).err
    assert text == "[0/1] failed train seed0 after 0.0 s (exit status 1)\n    command: false\n"
    assert told(capsys, *FAILED, quiet={Quietness.ALL}).err == ""


def test_a_dry_run_is_left_to_snakemake(capsys):
    info = {"local": True, "is_checkpoint": False, "input": [], "output": ["a"], "jobid": 1, "benchmark": None}
    info |= {"reason": "it is missing", "wildcards": {}, "priority": 0, "threads": 1, "resources": {}, "rule_msg": None}
    told_ = told(
        capsys,
        record("Nothing to be done"),
        record("", LogEvent.JOB_INFO, rule_name="train", log=[], **info),
        dryrun=True,
        stdout=True,
    )
    assert "Nothing to be done\n" in told_.out
    assert "localrule train:" in told_.out
    assert "reason: it is missing" in told_.out
    assert told_.err == ""


@pytest.mark.parametrize("event", list(LogEvent))
def test_no_record_however_broken_raises(capsys, event):
    told(
        capsys, record("odd", event), record("odd", event, jobid="x", stats=3, wildcards=1, log=7, job_id=[], done="?")
    )
    told(capsys, record("odd", event, jobs=None, aux=3), dryrun=True)


# ---- as a person sees it


WORKFLOW = """
    import sys
    JOBS = ["good", "bad"] if config.get("bad") else ["good", "long"]
    rule all:
        input: expand("out/{name}.txt", name=JOBS)
    rule make:
        output: "out/{name}.txt"
        log: "logs/{name}.log"
        shell: "{sys.executable:q} job.py {wildcards.name} {output} {log} > {log}"
"""
JOB = """
    import sys, time
    from pathlib import Path
    from refer.progress import Progress, progress_file
    name, out, log = sys.argv[1:]
    sys.stderr.write("a stray line\\n")  # in one piece: two jobs share the terminal
    if name == "bad":
        sys.exit(print("reading\\nerror: seven classes expected, eight found: mend x.yaml") or 4)
    # Far longer than the test waits: it is to be interrupted, on however slow a machine.
    steps = 400 if name == "long" else 40
    with Progress(steps, label="working", unit="steps", file=progress_file(log)) as work:
        for step in range(1, steps + 1):
            time.sleep(0.5 if name == "long" else 0)
            work.update(step, "fine")
    Path(out).touch()
"""


@pytest.fixture
def workflow(tmp_path):
    (tmp_path / "Snakefile").write_text(textwrap.dedent(WORKFLOW))
    (tmp_path / "job.py").write_text(textwrap.dedent(JOB))
    return tmp_path


def command(*arguments):
    return [str(SNAKEMAKE), "--logger", "refer", "--cores", "2", *arguments]


@pytest.mark.workflow
def test_lines_of_a_failing_run_in_a_file(workflow):
    answer = subprocess.run(
        command("--keep-going", "--config", "bad=1"), cwd=workflow, capture_output=True, text=True, timeout=300
    )
    assert answer.returncode == 1
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", answer.stderr)
    lines = answer.stderr.splitlines()
    for line in (
        "3 jobs to do: 2 make, 1 all",
        "[0/3] started make good",
        "a stray line",
        "    error: seven classes expected, eight found: mend x.yaml",
        "      reading",
        "    log: logs/bad.log",
        "failed: make bad, log: logs/bad.log",
    ):
        assert line in lines
    assert re.search(r"^\[./3\] failed make bad after [\d.]+ s \(exit status 4\)$", answer.stderr, re.M)
    assert re.search(r"^\[1/3\] finished make good in [\d.]+ s", answer.stderr, re.M)
    assert "1 of 3 jobs done" in answer.stderr


@pytest.mark.workflow
def test_the_live_display_and_an_interrupt_on_a_terminal(workflow):
    process, leader = pty.fork()
    if process == 0:
        # What a shell starts in the background ignores interrupts, and hands that on.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.chdir(workflow)
        os.execve(SNAKEMAKE, command(), {**os.environ, "TERM": "xterm", "COLUMNS": "150", "LINES": "30"})
    shown, interrupted, deadline = "", False, time.monotonic() + 300
    try:
        while time.monotonic() < deadline:
            if select.select([leader], [], [], 1)[0]:
                try:
                    shown += os.read(leader, 65_536).decode(errors="replace")
                except OSError:  # the terminal was closed at the other end
                    break
            if not interrupted and re.search(r"[2-9]/400 steps", shown) and "✓ make good" in shown:
                os.write(leader, b"\x03")
                interrupted = True
    finally:
        if time.monotonic() >= deadline:
            os.kill(process, signal.SIGKILL)
        status = os.waitpid(process, 0)[1]
    assert interrupted, shown[-2000:]
    assert os.waitstatus_to_exitcode(status) == 1
    assert "a stray line" in shown
    assert "fine" in shown
    assert "interrupted: make long" in shown
    assert "1 of 3 jobs done" in shown
    assert shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l"), "the cursor is back"
    assert not list((workflow / "logs").glob("*.progress"))


# ---- mistakes on the command line, with the messages of Snakemake 9.27

NO_KEY = "Traceback …\nValueError: Invalid config definition: Config entry must start with a valid identifier."
NO_FILE = "Traceback …\n  … load_configfile(f)\nFileNotFoundError: [Errno 2] No such file or directory: 'none.yaml'"
LOCKED = "Error: Directory cannot be locked. Please make sure that no other Snakemake process is trying to …"


@pytest.mark.parametrize(
    ("message", "arguments", "words"),
    [
        (NO_KEY, "--cores 1 --config reproduce.khalid2025.seeds=[1]", "--config 'reproduce__khalid2025__seeds=[1]'"),
        (NO_KEY, "--config fer2013=a.zip ambiguity:khalid2025:heads=8", "--config 'ambiguity__khalid2025__heads=8'"),
        (NO_KEY, "--config=ambiguity/khalid2025/heads=8", "--config 'ambiguity__khalid2025__heads=8'"),
        (NO_KEY, "--config seeds", "--config seeds: expected KEY=VALUE"),
        (NO_KEY, "-C a.b=1", "--config 'a__b=1'"),
        (NO_KEY, "-n -Ca.b=1", "--config 'a__b=1'"),
        (
            NO_KEY,
            "--config reproduce__tran2023__override__methods.late-*.recipe.epochs=3",
            "--config \"reproduce={'tran2023': {'override': {'methods.late-*.recipe.epochs': 3}}}\"",
        ),
        (NO_FILE, "--configfile none.yaml --cores 1", "--configfile none.yaml: there is no such file"),
        (LOCKED, "--cores 2 --configfile presets/a.yaml", "refer resume -- --cores 2 --configfile presets/a.yaml"),
    ],
)
@pytest.mark.parametrize("dryrun", [True, False])
def test_a_mistake_on_the_command_line_is_answered_with_what_is_right(
    message, arguments, words, dryrun, capsys, monkeypatch
):
    monkeypatch.setattr(sys, "argv", ["snakemake", *arguments.split()])
    said = told(capsys, record(message, level=logging.ERROR), dryrun=dryrun).err
    assert words in said
    assert "Traceback" not in said
    assert len(said.splitlines()) <= 2


def test_a_mistake_is_told_also_where_all_output_is_unwanted(capsys, monkeypatch):
    from snakemake.settings.enums import Quietness

    monkeypatch.setattr(sys, "argv", ["snakemake", "--quiet", "all", "--config", "a.b=1"])
    assert "'a__b=1'" in told(capsys, record(NO_KEY, level=logging.ERROR), quiet={Quietness.ALL}).err


def test_other_errors_are_no_mistakes_of_the_command_line():
    assert mistakes.in_plain_words("MissingInputException in rule x", ["--config", "a.b=1"]) is None
