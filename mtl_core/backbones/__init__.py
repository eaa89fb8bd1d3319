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
        "resnet34": "mtl_core.backbones.resnet:ResNet34",
        "resnet50": "mtl_core.backbones.resnet:ResNet50",
        "mobilenet_v3": "mtl_core.backbones.mobilenet:MobileNetV3",
        "efficientnet_b0": "mtl_core.backbones.efficientnet:EfficientNetB0",
        "efficientnet_lite0": "mtl_core.backbones.efficientnet_lite:EfficientNetLite0",
        "regnet_y_400mf": "mtl_core.backbones.regnet:RegNetY400MF",
        "convnext_tiny": "mtl_core.backbones.convnext:ConvNeXtTiny",
        "swin_t": "mtl_core.backbones.swin:SwinTiny",
        "vit": "mtl_core.backbones.vision_transformer:VisionTransformer",
        "timm": "mtl_core.backbones.timm_network:TimmNetwork",
    },
    needs={"timm": "timm"},
)
