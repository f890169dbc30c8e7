"""A backbone is one file: the one of docs/adding-a-paper.md, put into the folder, can be named by a paper."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

USES = """
import sys
import refer.networks.backbones as folder
folder.__path__.append(sys.argv[1])
from refer.errors import UserError
from refer.networks import catalog
from refer.papers import load_paper
paper = {"network.backbone": "tiny", "network.weights": "none", "network.grid": 12, "recipe.image_size": 24}
load_paper(sys.argv[2], None, paper)
try:
    load_paper(sys.argv[2], None, {**paper, "network.grid": 13, "recipe.image_size": 24})
except UserError as error:
    print(str(error).partition(";")[0].rpartition(": ")[2])
print("torch" in sys.modules)
import torch
net = catalog.build({"name": "cnn", "backbone": "tiny", "channels": 1}, 7)
print(tuple(net(torch.zeros(2, 1, 48, 48)).shape), sum(each.numel() for each in net.parameters()))
"""


def test_the_backbone_of_the_page_is_found_checked_and_built(root: Path, tmp_path: Path) -> None:
    page = (root / "docs/adding-a-paper.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(@backbone\(.*?)^```", page, re.DOTALL | re.MULTILINE)
    head = "from __future__ import annotations\nfrom refer.networks.registry import backbone\n"
    (tmp_path / "tiny.py").write_text(head + code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", USES, str(tmp_path), str(root / "papers/khalid2025.yaml")],
        cwd=root, env=os.environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    refused, torch_was_there, built = done.stdout.splitlines()
    assert refused == "found 13, but at 24 pixels the last map of tiny is 12x12", "24 pixels halved"
    assert torch_was_there == "False"
    # A 3x3 convolution of 1 to 8 channels, its normalisation, and 8 features to 7 classes with their biases.
    assert built == f"(2, 7) {9 * 8 + 2 * 8 + 8 * 7 + 7}"
