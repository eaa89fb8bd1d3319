"""torchvision's RegNet as a backbone (Radosavovic et al. 2020, https://arxiv.org/abs/2003.13678)."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import torch
from torch import nn
from torchvision import models

from mtl_core.backbones.cut_network import CutNetwork, CutOptions, first_convolution
from mtl_core.backbones.published_weights import PublishedWeights, of_torchvision


class RegNetY400MF(CutNetwork):
    """Residual bottlenecks with grouped convolutions, and squeeze and excitation, in four stages after a stem."""

    title: ClassVar[str] = "RegNetY-400MF"
    summary: ClassVar[str] = "4 million parameters, torchvision's implementation."
    published: ClassVar[PublishedWeights] = of_torchvision("regnet_y_400mf-e6988f5f.pth", 16.8)

    def __init__(self, options: CutOptions, image_shape: tuple[int, int, int]):
        super().__init__()
        with torch.device("cpu"):  # it computes the widths with tensors, which must have values when the network is built on the meta device
            # torchvision's regnet_y_400mf
            blocks = models.regnet.BlockParams.from_init_params(depth=16, w_0=48, w_a=27.89, w_m=2.09, group_width=8, se_ratio=0.25)
        network = models.regnet.RegNet(blocks, norm_layer=partial(nn.BatchNorm2d, eps=1e-5, momentum=0.1))
        first_convolution(network, image_shape[0], stride=1 if options.small_images else None)
        self.cut(network, [network.stem, *network.trunk_output], image_shape[0])
