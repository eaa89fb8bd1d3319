"""Backbones. To add a family: a file here and a line in this table."""

from mtl_core.registry import Registry

BACKBONES = Registry(
    "backbone",
    "mtl_core.backbones",
    {
        "small_cnn": "mtl_core.backbones.small_cnn:SmallCNN",
        "mlp": "mtl_core.backbones.mlp:MLP",
        "lenet": "mtl_core.backbones.lenet:LeNet",
        "resnet18": "mtl_core.backbones.resnet:ResNet18",
    },
)
