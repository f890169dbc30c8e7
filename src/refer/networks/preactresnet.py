"""Pre-activation ResNet-18 for images of 32 pixels (He et al. 2016, Identity Mappings in Deep Residual Networks)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class PreActivationBlock(nn.Module):
    """Two 3x3 convolutions, each after batch normalisation and ReLU, beside an unchanged path.

        h = ReLU(BN(x))
        y = conv(ReLU(BN(conv(h)))) + s

    with s = x, or a 1x1 convolution of h where the shape changes.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        changes = stride != 1 or inputs != outputs
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) → (B, outputs, H/stride, W/stride)."""
        h = functional.relu(self.norm1(x))
        passed = x if self.shortcut is None else self.shortcut(h)
        result: Tensor = self.conv2(functional.relu(self.norm2(self.conv1(h)))) + passed
        return result


def preactresnet18(channels: int, width: int = 64, closed: bool = True) -> list[nn.Module]:
    """The stages of the network without pooling and classifier: stride 8, 8·width channels.

    11,167,040 parameters, or 11,166,016 without the closing normalisation (`width` 64, three channels).

    Args:
        channels: of the images.
        width: channels of the first stage; they double in each of the next three.
        closed: end with batch normalisation and ReLU, as in the paper of He et al. Widely used code, FERAtt's
            among it, leaves both out, so that the last sum is pooled as it is.
    """
    stages: list[nn.Module] = [nn.Conv2d(channels, width, 3, 1, 1, bias=False)]
    inputs = width
    for outputs, stride in ((width, 1), (2 * width, 2), (4 * width, 2), (8 * width, 2)):
        stages.append(PreActivationBlock(inputs, outputs, stride))
        stages.append(PreActivationBlock(outputs, outputs, 1))
        inputs = outputs
    if closed:
        stages += [nn.BatchNorm2d(inputs), nn.ReLU(inplace=True)]
    return stages
