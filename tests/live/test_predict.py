"""Faces in pictures, films and cameras: which are found, what of them the network is given, and what is written.

The photograph is Matplotlib's sample, a portrait in the public domain; the drawn faces are the stand-in's. The network
is an ONNX graph made here by hand: its probabilities are the mean grey levels of the picture's quarters, so that what
it was given can be told from what it says.
"""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import matplotlib.cbook
import numpy as np
import onnx
import pytest
from PIL import Image

from refer.cli import main
from refer.datasets.decode import Recipe, decode
from refer.errors import UserError
from refer.live import media
from refer.live.faces import Finder, cropped

CLASSES = ["above left", "above right", "below left", "below right"]
EYES = ((227, 180), (307, 180))
"""About where they are in the photograph, in pixels, as one sees by looking at it."""


@pytest.fixture(scope="module")
def photograph() -> Path:
    return Path(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_model(tmp_path_factory.mktemp("model") / "model.onnx")


def a_model(path: Path, **about: Any) -> Path:
    """Write a network of four classes, the means of the quarters of a grey face of 48 pixels over their sum."""
    make, kinds = onnx.helper, onnx.TensorProto
    nodes = [
        make.make_node("Cast", ["faces"], ["real"], to=kinds.FLOAT),
        make.make_node("Transpose", ["real"], ["images"], perm=[0, 3, 1, 2]),
        make.make_node("AveragePool", ["images"], ["quarters"], kernel_shape=[24, 24], strides=[24, 24]),
        make.make_node("Flatten", ["quarters"], ["four"], axis=1),
        make.make_node("ReduceSum", ["four", "axes"], ["sum"], keepdims=1),
        make.make_node("Div", ["four", "sum"], ["probabilities"]),
    ]
    graph = make.make_graph(
        nodes, "quarters",
        [make.make_tensor_value_info("faces", kinds.UINT8, ["batch", 48, 48, 1])],
        [make.make_tensor_value_info("probabilities", kinds.FLOAT, ["batch", 4])],
        [make.make_tensor("axes", kinds.INT64, [1], [1])],
    )  # fmt: skip
    made = make.make_model(graph, opset_imports=[make.make_opsetid("", 18)], ir_version=9)
    wanted = {"height": 48, "width": 48, "channels": 1, "fit": "squash", "margin": 0.0, "modality": "visible"}
    said = {"format": 1, "classes": CLASSES, "stand_in": False, "input": wanted}
    make.set_model_props(made, {"refer": json.dumps(said | about)})
    onnx.save(made, path)
    return path


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def a_film(path: Path, faces: list[Image.Image], frames: int = 6) -> Path:
    """Write a film in which faces on grey move to the right by 4 pixels a frame."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 20, (400, 240))
    for step in range(frames):
        picture = Image.new("RGB", (400, 240), (120, 120, 120))
        for place, face in enumerate(faces):
            picture.paste(face, (20 + 170 * place + 4 * step, 40))
        writer.write(np.asarray(picture)[:, :, ::-1].copy())
    writer.release()
    return path


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[Image.Image]:
    """Two drawn faces of 160 pixels."""
    from refer.datasets.standin.sheet import draw_sheet

    path = tmp_path_factory.mktemp("sheet") / "sheet.png"
    draw_sheet(path, emotions=("neutral",), people=2, size=160, seed=1)
    sheet = Image.open(path).convert("RGB")
    return [sheet.crop((160 * place, 0, 160 * (place + 1), 160)) for place in range(2)]


def test_the_face_of_a_photograph_is_found(photograph: Path) -> None:
    (box,) = Finder()(Image.open(photograph))
    left, top, right, bottom = box
    assert all(left < x < right and top < y < (top + bottom) / 2 for x, y in EYES), "eyes lie in the upper half"
    assert right - left == bottom - top
    assert Finder()(Image.new("RGB", (640, 480))) == []


def test_an_image_is_a_row_with_its_box_and_probabilities(
    photograph: Path, model: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    Image.new("RGB", (200, 100), (9, 9, 9)).save(tmp_path / "empty.png")
    assert main(["predict", str(model), str(photograph), str(tmp_path / "empty.png")]) == 0
    said = capsys.readouterr()
    one, none = table(said.out)
    assert (one["source"], one["frame"], one["face"], one["seconds"]) == (str(photograph), "0", "0", "")
    box = tuple(int(one[edge]) for edge in ("left", "top", "right", "bottom"))
    grey = Image.open(photograph).convert("L").crop(box)
    means = np.asarray(grey, float).reshape(2, grey.height // 2, 2, grey.width // 2).mean(axis=(1, 3)).ravel()
    found = [float(one[f"p_{name}"]) for name in CLASSES]
    assert found == pytest.approx(means / means.sum(), abs=5e-3)
    assert one["class"] == CLASSES[int(np.argmax(means))]
    assert all(float(one[f"{step}_ms"]) > 0 for step in ("detection", "crop", "classification"))
    assert (none["face"], none["left"], none["class"], none[f"p_{CLASSES[0]}"]) == ("", "", "", "")
    assert "2 pictures, 1 faces, 1 pictures without one; median: detection" in said.err


def test_a_film_of_drawn_faces_is_annotated(
    drawn: list[Image.Image], model: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    film, out, rows = a_film(tmp_path / "film.mp4", drawn), tmp_path / "out.mp4", tmp_path / "faces.csv"
    assert main(["predict", str(model), "--video", str(film), "--out", str(out), "--csv", str(rows)]) == 0
    assert capsys.readouterr().out == ""
    found = table(rows.read_text())
    assert sorted({int(row["frame"]) for row in found}) == list(range(6))
    assert [row["seconds"] for row in found if row["frame"] == "3"] == ["0.150"] * 2, "20 frames per second"
    for row in found:
        middle = (float(row["left"]) + float(row["right"])) / 2
        faces = [20 + 170 * place + 4 * int(row["frame"]) for place in range(2)]
        assert any(left + 40 < middle < left + 120 for left in faces), "a box lies on a drawn face"
    capture = cv2.VideoCapture(str(out))
    pixels = [capture.read()[1] for _ in range(6)]
    assert capture.get(cv2.CAP_PROP_FPS) == 20
    assert not capture.read()[0]
    row = next(row for row in found if row["frame"] == "5")
    blue, green, red = pixels[5][int(float(row["bottom"])), round((float(row["left"]) + float(row["right"])) / 2)]
    assert red > 150
    assert green > 120
    assert blue < 110, "the box is yellow"


def test_without_detection_the_picture_is_prepared_as_a_data_sets(
    photograph: Path, model: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The reference is what reads the files of a data set."""
    face = tmp_path / "face.png"
    Image.open(photograph).convert("L").crop((155, 105, 377, 327)).save(face)
    assert main(["predict", str(model), str(face), "--no-detection", "--out", str(tmp_path / "boxes")]) == 0
    (row,) = table(capsys.readouterr().out)
    pixels, verdict = decode(face.read_bytes(), Recipe((48, 48, 1), "squash", resize=True))
    assert verdict.defect is None
    assert pixels is not None
    means = pixels[:, :, 0].reshape(2, 24, 2, 24).mean(axis=(1, 3)).ravel()
    assert [float(row[f"p_{name}"]) for name in CLASSES] == pytest.approx(means / means.sum(), abs=1e-5)
    assert [row[edge] for edge in ("left", "top", "right", "bottom")] == ["0", "0", "222", "222"]
    assert Image.open(tmp_path / "boxes/face.png").size == (222, 222)


def test_a_box_is_widened_about_its_middle_to_the_wanted_proportions() -> None:
    picture = Image.fromarray(np.add.outer(np.zeros(100), np.arange(200)).astype(np.uint8))
    plain, wide, margin = (
        cropped(picture, [(80.0, 20.0, 120.0, 60.0)], Recipe(shape), share)[0, 0, :, 0].astype(float)
        for shape, share in (((40, 40, 1), 0.0), ((40, 80, 1), 0.0), ((40, 40, 1), 0.25))
    )
    assert (plain[0], plain[-1]) == (80, 119)
    assert (wide[0], wide[-1]) == (60, 139), "twice as wide as high, about 100"
    assert margin[0] == pytest.approx(70.5, abs=0.6)
    assert margin[-1] == pytest.approx(129, abs=0.6)
    beyond = cropped(picture, [(180.0, 0.0, 220.0, 40.0)], Recipe((40, 40, 1)))[0, 0, :, 0]
    assert set(beyond[20:].tolist()) == {199}, "beyond the picture its edge is repeated"


def test_a_drawn_network_and_one_of_infrared_say_so(
    model: Path, photograph: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    said = json.loads(onnx.load(model).metadata_props[0].value)["input"] | {"modality": "infrared"}
    other = a_model(tmp_path / "other.onnx", stand_in=True, input=said)
    assert main(["predict", str(other), str(photograph)]) == 0
    assert "learnt from DRAWN faces" in (err := capsys.readouterr().err)
    assert "learnt from infrared images" in err


@pytest.mark.parametrize(("arguments", "said"), [
    ([], "Say what to look at"),
    (["{photo}", "--camera", "0"], "Say what to look at"),
    (["--camera", "97"], "--camera 97: there is no such camera here"),
    (["--video", "absent.mp4"], "absent.mp4: no such film"),
    (["--video", "{photo}x"], "no such film"),
    (["--video", __file__], "OpenCV reads no picture of it"),
    ([__file__], "no image that can be read"),
    (["{photo}", "--out", "{tmp}/film.mp4"], "of images, expected a folder"),
    (["--video", "{film}", "--out", "{tmp}/film.gif"], "expected a name that ends in .mp4 or .avi"),
    (["{photo}", "{photo}", "--out", "{tmp}/boxes"], "two images are called so"),
])  # fmt: skip
def test_what_cannot_be_done_is_told_in_a_line(
    arguments: list[str], said: str, model: Path, photograph: Path, drawn: list[Image.Image], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    film = a_film(tmp_path / "in.mp4", drawn, 1)
    filled = [each.format(photo=photograph, tmp=tmp_path, film=film) for each in arguments]
    assert main(["predict", str(model), *filled]) == 1
    assert said in capsys.readouterr().err
    assert not list(tmp_path.glob("film.*"))


def test_a_window_needs_an_opencv_with_windows_and_a_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "General\n  GUI:                           NONE\n")
    with pytest.raises(UserError, match=r"--show: this OpenCV has no windows"):
        media.window()
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "General\n  GUI:                           QT5\n")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(UserError, match=r"there is no screen here"):
        media.window()
    monkeypatch.setenv("DISPLAY", ":0")
    keys = iter([-1, ord("q")])
    shown: list[Any] = []
    monkeypatch.setattr(cv2, "imshow", lambda title, pixels: shown.append(pixels))
    monkeypatch.setattr(cv2, "waitKey", lambda wait: next(keys))
    show = media.window()
    assert [show(Image.new("RGB", (2, 1), (1, 2, 3))) for _ in range(2)] == [True, False]
    assert shown[0][0, 0].tolist() == [3, 2, 1], "OpenCV's order is blue, green, red"


def test_an_opencv_without_the_detector_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2, "CascadeClassifier")
    with pytest.raises(UserError, match=r"carries no face detector; install 'opencv-python-headless<5'"):
        Finder()


def test_ctrl_c_keeps_what_was_seen(
    drawn: list[Image.Image], model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from refer.live import predict

    honest = predict.look

    def interrupted(*arguments: Any) -> Any:
        for number, seen in enumerate(honest(*arguments)):
            if number == 3:
                raise KeyboardInterrupt
            yield seen

    monkeypatch.setattr(predict, "look", interrupted)
    film, out, rows = a_film(tmp_path / "film.mp4", drawn), tmp_path / "out.avi", tmp_path / "faces.csv"
    assert main(["predict", str(model), "--video", str(film), "--out", str(out), "--csv", str(rows)]) == 0
    assert {row["frame"] for row in table(rows.read_text())} == {"0", "1", "2"}
    capture = cv2.VideoCapture(str(out))
    assert [capture.read()[0] for _ in range(4)] == [True, True, True, False]


def test_predicting_needs_no_pytorch(model: Path, photograph: Path, tmp_path: Path) -> None:
    for name in ("torch", "torchvision", "onnx", "onnxscript", "safetensors"):
        (tmp_path / f"{name}.py").write_text(f"raise ModuleNotFoundError('no {name} here')\n")
    command = [sys.executable, "-m", "refer.cli", "predict", str(model), str(photograph)]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert len(table(done.stdout)) == 1
