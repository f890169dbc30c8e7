"""How long one face takes: what is timed, numbers that fit together, and the table that they stand in."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from refer import files
from refer.errors import UserError
from refer.evaluation import realtime
from refer.networks import catalog
from refer.plan import Run
from refer.reporting.tables.realtime import keeps_up, one_a_method, read_realtime, realtime_table, write_realtime
from refer.spec import Recipe
from refer.training import checkpoint
from report_fixtures import StubPaper

REGIONS = {"name": "region_attention_net", "backbone": "compact", "channels": 1, "weights": "none"}
NAMES = ["angry", "happy", "sad"]


def a_run(network: dict[str, Any], **changes: Any) -> Run:
    recipe = Recipe(epochs=1, batch_size=8, image_size=24, optimizer="sgd", lr=0.1)
    run = Run(
        paper="khalid2025",
        dataset="fer2013",
        data="fer2013-standin",
        protocol="audited",
        method="full",
        seed=0,
        stand_in=True,
        network=network,
        recipe=recipe,
        evaluated=("public", "private"),
        select="public",
    )
    return dataclasses.replace(run, **changes)


def untrained(path: Path, run: Run, classes: list[str] | None = None) -> torch.nn.Module:
    """Write the checkpoint of a network that has learnt nothing."""
    torch.manual_seed(0)
    names = classes or NAMES
    network = catalog.build(run.network, len(names))
    metadata = {"run": run.as_dict(), "classes": names, "epoch": 1, "data_fingerprint": "0" * 64}
    checkpoint.save(path, {"network": network.state_dict()}, metadata)
    return network.eval()


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("realtime")
    untrained(folder / "c.safetensors", a_run(REGIONS))
    realtime.measure_latency(folder / "c.safetensors", folder / "realtime.json", device="cpu", seconds=0, preset="p")
    found: dict[str, Any] = json.loads((folder / "realtime.json").read_text())
    assert found["checkpoint_sha256"] == files.sha256(folder / "c.safetensors")
    return found


def test_the_numbers_fit_each_other(record: dict[str, Any]) -> None:
    for name, images in (("one_face", 1), ("network_alone", 1), ("batch", realtime.BATCH)):
        found = record[name]
        assert 0 < found["p5_ms"] <= found["median_ms"] <= found["p95_ms"]
        assert found["frames_per_s"] == pytest.approx(images * 1000 / found["median_ms"])
        least = realtime.LEAST_OF_BATCHES if name == "batch" else realtime.LEAST
        assert found["repeats"] == least, "no time was given, so the fewest repetitions are made"


def test_it_says_of_what_and_with_what(record: dict[str, Any]) -> None:
    expected = {
        "paper": "khalid2025", "method": "full", "seed": 0, "fold": None, "stand_in": True, "preset": "p",
        "inputs": ["visible"], "face": [48, 48, 1], "image_size": 24, "backbones": ["compact"], "reads_batch": False,
        "device": "cpu", "threads": 1, "precision": "fp32",
    }  # fmt: skip
    assert {name: record[name] for name in expected} == expected
    assert record["parameters"] == sum(each.numel() for each in catalog.build(REGIONS, 3).parameters())
    assert torch.__version__.startswith(record["versions"]["torch"])
    assert "softmax" in record["scope"]
    assert "without camera" in record["scope"]


def test_a_pair_of_pictures_is_one_face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime, "BATCH", 2)
    seen: list[tuple[int, ...]] = []
    network = {"name": "interleaved_fusion", "backbone": "compact"}
    run = a_run(network, dataset="viri", data="viri-standin", inputs=("visible", "infrared"))
    untrained(tmp_path / "c.safetensors", run)
    sent = realtime._sent
    monkeypatch.setattr(realtime, "_sent", lambda faces, where: seen.append(faces.shape) or sent(faces, where))
    realtime.measure_latency(tmp_path / "c.safetensors", tmp_path / "r.json", device="cpu", seconds=0)
    found = json.loads((tmp_path / "r.json").read_text())
    assert found["inputs"] == ["visible", "infrared"]
    assert found["batch"]["frames_per_s"] == pytest.approx(2000 / found["batch"]["median_ms"])
    calls = realtime.WARM_UP + realtime.LEAST
    assert seen.count((1, 224, 224, 3)) == 2 + 2 * calls, "once made ready, then all the way in every call"
    assert seen.count((2, 224, 224, 3)) == 2 * (realtime.WARM_UP + realtime.LEAST_OF_BATCHES)


def test_what_is_judged_is_what_inference_judges(tmp_path: Path) -> None:
    run = a_run(REGIONS)
    network = untrained(tmp_path / "c.safetensors", run)
    trained = realtime.load_trained(tmp_path / "c.safetensors", torch.device("cpu"))
    face = np.random.default_rng(1).integers(0, 256, (1, 48, 48, 1), dtype=np.uint8)
    ready = trained.reader(realtime._sent(face, torch.device("cpu")))
    assert ready.shape == (1, 1, 24, 24)
    torch.testing.assert_close(trained.network(ready), network(ready), rtol=1e-4, atol=1e-5)
    assert not trained.network.training


def test_every_call_is_waited_for_and_the_warm_up_does_not_count() -> None:
    told: list[str] = []
    taken = realtime.timings(lambda: told.append("work"), lambda: told.append("wait"), 0)
    first, second = ["wait"] + ["work", "wait"] * realtime.WARM_UP, ["wait"] + ["work", "wait"] * realtime.LEAST
    assert told == first + second
    assert len(taken) == realtime.LEAST
    assert (taken >= 0).all()


def test_time_that_is_given_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime, "MOST", 30)
    assert len(realtime.timings(lambda: None, lambda: None, 60)) == 30, "more than the most says nothing new"
    monkeypatch.setattr(realtime, "MOST", 5_000)
    clock = [0.0]
    monkeypatch.setattr(realtime, "perf_counter", lambda: clock[0])

    def takes_a_second() -> None:
        clock[0] += 1

    assert len(realtime.timings(takes_a_second, lambda: None, 28)) == 28
    assert clock[0] == 28 / 4 + 28, "a quarter more to warm up"


@given(st.lists(st.floats(0.001, 1e4), min_size=1, max_size=200), st.integers(1, 64))
def test_percentiles_are_in_order(milliseconds: list[float], images: int) -> None:
    found = realtime.summarised(np.array(milliseconds), images)
    assert found["p5_ms"] <= found["median_ms"] <= found["p95_ms"]
    assert min(milliseconds) <= found["median_ms"] <= max(milliseconds)
    assert found["frames_per_s"] * found["median_ms"] == pytest.approx(1000 * images)


def test_what_other_programs_do_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, own, busy = [10.0], [3.0], [500.0]
    monkeypatch.setattr(realtime, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(realtime, "process_time", lambda: own[0])
    monkeypatch.setattr(realtime, "_busy_seconds", lambda: busy[0])
    others = realtime.Others()
    clock[0], own[0], busy[0] = 14.0, 8.0, 511.0
    assert others.cores() == pytest.approx((11 - 5) / 4)
    busy[0] = 504.9  # the system counts in hundredths, so it may have seen less than we used
    assert others.cores() == 0
    monkeypatch.setattr(realtime, "_busy_seconds", lambda: None)
    assert realtime.Others().cores() is None


def test_the_system_tells_how_busy_it_is() -> None:
    first = realtime._busy_seconds()
    if first is None:
        pytest.skip("no /proc/stat here")
    assert 0 < first <= (realtime._busy_seconds() or 0)


def test_backbones_are_named_also_where_the_paper_leaves_them_out() -> None:
    assert catalog.backbones_of({"name": "ferattention"}) == ["resnet34", "preactresnet18-open"]
    assert catalog.backbones_of({"name": "late_fusion", "first": "vgg11"}) == ["vgg11", "resnet34"]
    assert catalog.backbones_of(REGIONS) == ["compact"]


def test_a_broken_checkpoint_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "c.safetensors").write_bytes(b"half a file")
    with pytest.raises(UserError, match="not a whole checkpoint"):
        realtime.measure_latency(tmp_path / "c.safetensors", tmp_path / "r.json", device="cpu")
    assert not (tmp_path / "r.json").exists()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_gpu_is_waited_for(tmp_path: Path) -> None:
    untrained(tmp_path / "c.safetensors", a_run(REGIONS))
    realtime.measure_latency(tmp_path / "c.safetensors", tmp_path / "r.json", device="cuda", seconds=0)
    assert json.loads((tmp_path / "r.json").read_text())["precision"] == "fp32", "what is compared is computed in fp32"


def at(record: dict[str, Any], median: float, high: float, **changes: Any) -> dict[str, Any]:
    one = {"median_ms": median, "p5_ms": median / 2, "p95_ms": high, "repeats": 20, "frames_per_s": 1000 / median}
    return {**record, "one_face": one, **changes}


def text(table: Any) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.lines]


@pytest.mark.parametrize(
    ("median", "high", "expected"),
    [
        (10, 33.3, ("yes", "yes")),
        (10, 40, ("yes", "at the median")),
        (33.3, 41, ("at the median", "at the median")),
        (34, 39, ("yes", "no")),
        (40.1, 50, ("no", "no")),
    ],
)
def test_a_rate_is_kept_up_with_if_frames_last_longer(
    record: dict[str, Any], median: float, high: float, expected: tuple[str, str]
) -> None:
    found = at(record, median, high)
    assert (keeps_up(found, 25), keeps_up(found, 30)) == expected
    assert tuple(text(realtime_table([found | {"picture": {}}]))[0][-2:]) == expected


def test_one_row_a_method_from_its_lowest_seed(record: dict[str, Any]) -> None:
    several = [
        at(record, 9.0, 12.0, seed=1),
        at(record, 12.34, 20.0, seed=0, protocol="published"),
        at(record, 8.0, 12.0, seed=0, protocol="audited"),
        at(record, 250.0, 300.0, method="backbone", seed=3, parameters=11_180_103),
        at(record, 5.0, 6.0, paper="feratt2019", dataset="ckplus", data="ckplus", method="cls"),
    ]
    assert [one["one_face"]["median_ms"] for one in one_a_method(several)] == [8.0, 250.0, 5.0]
    table = realtime_table(several, [StubPaper()])
    rows = text(table)
    assert [row[2] for row in rows] == ["cls", "VGG backbone", "Full framework"], "in the paper's order"
    assert [len(block) for block in table.blocks] == [1, 2]
    assert rows[0][:2] == ["feratt2019", "CK+"]
    assert rows[1][4:11] == ["11.18", "48×48×1", "24", "250", "125–300", rows[1][9], "4.0"]
    assert rows[2][7:9] == ["8.00", "4.00–12.0"]
    assert rows[2][10] == "125"
    assert table.banner == "", "time says as much on drawn data"


def test_notes_say_on_which_machine_and_what_is_timed(record: dict[str, Any]) -> None:
    one = {**record, "device_name": "a processor", "other_work": 0.1}
    notes = realtime_table([one]).notes
    assert notes[0].mark == ""
    assert notes[0].text.startswith("Measured on a processor, 1 thread of the CPU, fp32, torch ")
    assert record["scope"] in notes[1].text
    assert "40.0 ms or 33.3 ms" in notes[2].text
    assert not any("quiet" in note.text for note in notes)
    (disturbed,) = [note.text for note in realtime_table([one | {"other_work": 1.26}]).notes if "quiet" in note.text]
    assert "up to 1.3 cores busy (full)" in disturbed
    other = {**one, "other_work": None, "method": "self", "device": "cuda", "device_name": "a GPU"}
    table = realtime_table([one, other])
    assert [(note.mark, "a GPU (cuda)" in note.text) for note in table.notes[:2]] == [("a", False), ("b", True)]
    assert [row[7].mark for row in table.lines] == ["a", "b"]


def test_a_network_that_reads_its_batch_and_a_pair_are_marked(record: dict[str, Any]) -> None:
    table = realtime_table([{**record, "reads_batch": True, "inputs": ["visible", "infrared"]}])
    assert table.lines[0][2].mark == "*"
    assert table.lines[0][5].text == "2 × 48×48×1"
    assert [note.mark for note in table.notes][-1] == "*"
    assert any("count as one face" in note.text for note in table.notes)


def test_the_table_is_written_in_every_format(record: dict[str, Any], tmp_path: Path) -> None:
    files.write_json(tmp_path / "realtime.json", record)
    outputs = [tmp_path / f"realtime{suffix}" for suffix in (".csv", ".md", ".tex", ".html")]
    write_realtime([tmp_path / "realtime.json"], outputs, [StubPaper()])
    rows = pd.read_csv(outputs[0])
    assert len(rows) == 1
    assert rows["one_face_median_ms"][0] == pytest.approx(record["one_face"]["median_ms"])
    assert rows["face"][0] == "48×48×1"
    for path in outputs[1:]:
        assert "Full framework" in path.read_text()


def test_a_cameras_picture_is_timed_up_to_its_face(record: dict[str, Any]) -> None:
    picture = record["picture"]
    (box,) = picture["boxes"]
    assert picture["size"] == [640, 480]
    assert box[0] < 320 < box[2], "the portrait is in the middle"
    for step in ("detection", "crop"):
        assert 0 < picture[step]["p5_ms"] <= picture[step]["median_ms"] <= picture[step]["p95_ms"]


def test_the_table_has_the_way_of_a_picture_or_says_why_not(record: dict[str, Any]) -> None:
    steps = {"detection": {"median_ms": 30.0}, "crop": {"median_ms": 2.0}}
    about = {"size": [640, 480], "smallest_face": 48, "opencv": "4.1", "boxes": []}
    one = at(record, 8.0, 9.0, picture={**about, **steps})
    table = realtime_table([one, at(record, 8.0, 9.0, method="self", picture={"missing": "cv2 is not installed here"})])
    shown = {row[2]: row[-4:] for row in text(table)}
    assert shown["full"] == ["30.0", "2.00", "40.0", "25"], "30 + 2 + 8 ms, 1000 / 40 a second"
    assert shown["self"] == ["–"] * 4
    notes = " ".join(note.text for note in table.notes)
    assert "640 × 480 px, a photograph of one face. OpenCV 4.1's Haar cascade" in notes
    assert "khalid2025 calls its framework real-time and reports no time." in notes
    assert "not timed (–): cv2 is not installed here" in notes
    released = {key: value for key, value in one.items() if key != "picture"}
    old = realtime_table([released])
    assert [column.title for column in old.heads][-2:] == ["25/s", "30/s"], "released tables stay as they are"
    assert not any("picture" in note.text for note in old.notes)


def test_without_opencv_a_picture_is_not_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    realtime._finding.cache_clear()
    monkeypatch.setitem(sys.modules, "cv2", None)
    untrained(tmp_path / "c.safetensors", a_run(REGIONS))
    realtime.measure_latency(tmp_path / "c.safetensors", tmp_path / "r.json", device="cpu", seconds=0)
    found = json.loads((tmp_path / "r.json").read_text())
    assert "cv2 is not installed here" in found["picture"]["missing"]
    assert found["one_face"]["repeats"] == realtime.LEAST


def test_what_is_no_measurement_is_refused(tmp_path: Path) -> None:
    files.write_json(tmp_path / "realtime.json", {"one_face": {}})
    with pytest.raises(UserError, match=r"realtime\.json: no measurement of this project"):
        read_realtime([tmp_path / "realtime.json"])
    with pytest.raises(UserError, match=r"no realtime\.json was given"):
        read_realtime([])
