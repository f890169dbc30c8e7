"""`refer predict`: the faces of images, a film or a camera, and what an exported network says of each."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the subcommand's parser."""
    parser = commands.add_parser("predict", help="find faces in images, a film or a camera and classify them")
    parser.add_argument("model", type=Path, metavar="MODEL.onnx", help="of refer export")
    parser.add_argument("images", type=Path, nargs="*", metavar="IMAGE")
    parser.add_argument("--video", type=Path, metavar="FILE", help="a film instead of images")
    parser.add_argument("--camera", type=int, metavar="N", help="a camera, usually 0, until Ctrl-C")
    parser.add_argument("--seconds", type=float, metavar="N", help="end the camera after so many seconds")
    parser.add_argument("--no-detection", action="store_true", help="each picture is one face, already cut out")
    parser.add_argument("--smallest", type=int, default=48, metavar="PIXELS", help="side of the smallest face (48)")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the table there, not to the terminal")
    parser.add_argument("--out", type=Path, metavar="FILE.mp4", help="film with boxes and classes; of images a folder")
    parser.add_argument("--show", action="store_true", help="show them in a window until q is pressed")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="of the CPU (all)")
    parser.set_defaults(run=run)


def run(parsed: argparse.Namespace) -> int:
    """Do it; returns the exit status."""
    import csv
    from contextlib import ExitStack, suppress

    from refer import files
    from refer.errors import UserError
    from refer.live import media, optional
    from refer.live.faces import Finder
    from refer.live.model import load_model
    from refer.live.predict import Tally, columns, drawn, folder_of, look, rows

    if (bool(parsed.images), parsed.video is not None, parsed.camera is not None).count(True) != 1:
        raise UserError("Say what to look at, one of: IMAGE …, --video FILE, --camera 0")
    if parsed.threads < 0 or parsed.smallest < 1:
        raise UserError("--threads and --smallest: expected numbers of at least 0 and 1.")
    model = load_model(parsed.model, parsed.threads)
    if parsed.threads:
        optional("cv2", "live").setNumThreads(parsed.threads)
    for warning in _warnings(model.about):
        print(f"warning: {warning}", file=sys.stderr)
    finder = None if parsed.no_detection else Finder(parsed.smallest)
    tally = Tally()
    with ExitStack() as stack:
        show = media.window() if parsed.show else None
        if parsed.images:
            frames, rate = media.pictures(parsed.images), 0.0
        else:
            frames, rate = media.film(parsed.video) if parsed.video else media.camera(parsed.camera, parsed.seconds)
        handle: Any = sys.stdout
        if parsed.csv is not None:
            temporary = stack.enter_context(files.whole(parsed.csv))
            handle = stack.enter_context(temporary.open("w", encoding="utf-8", newline=""))
        table = csv.writer(handle, lineterminator="\n")
        table.writerow(columns(model))
        keep: Any = None
        if parsed.out is not None and parsed.images:
            keep = stack.enter_context(folder_of(parsed.out))
        elif parsed.out is not None:
            write = stack.enter_context(media.film_of(parsed.out, rate))
            keep = lambda _, picture: write(picture)  # noqa: E731 - one line
        with suppress(KeyboardInterrupt):
            for seen in look(frames, model, finder):
                tally.add(seen)
                table.writerows(rows(seen, model.classes))
                if keep is None and show is None:
                    continue
                picture = drawn(seen, model.classes)
                if keep is not None:
                    keep(seen, picture)
                if show is not None and not show(picture):
                    break
    print(tally, file=sys.stderr)
    return 0


def _warnings(about: dict[str, Any]) -> list[str]:
    found = []
    if about["stand_in"]:
        found.append("this network learnt from DRAWN faces; what it says of a real face means nothing")
    if about["input"]["modality"] != "visible":
        found.append(f"this network learnt from {about['input']['modality']} images, not from those of a usual camera")
    return found
