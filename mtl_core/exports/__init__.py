"""Export formats. To add one: a file here with ``TITLE``, ``SUMMARY`` and ``write(source, folder)``, and a line in this table."""

EXPORTS = {
    "model": "mtl_core.exports.model",
    "onnx": "mtl_core.exports.onnx_model",
    "torch_export": "mtl_core.exports.torch_program",
    "csv": "mtl_core.exports.metrics_csv",
    "json": "mtl_core.exports.metrics_json",
    "parquet": "mtl_core.exports.metrics_parquet",
    "tensorboard": "mtl_core.exports.tensorboard_events",
    "coco": "mtl_core.exports.coco",
    "masks": "mtl_core.exports.masks",
    "predictions": "mtl_core.exports.predictions_csv",
    "charts": "mtl_core.exports.charts",
    "report": "mtl_core.exports.report",
    "yaml": "mtl_core.exports.config_yaml",
    "script": "mtl_core.exports.script",
}
