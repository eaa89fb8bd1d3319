"""Export formats. To add one: a file here with ``TITLE``, ``SUMMARY`` and ``write(source, folder)``, and a line in this table."""

EXPORTS = {
    "model": "mtl_core.exports.model_export",
    "onnx": "mtl_core.exports.onnx_model",
    "torch_export": "mtl_core.exports.torch_program",
    "csv": "mtl_core.exports.metrics_csv",
    "json": "mtl_core.exports.metrics_json",
    "parquet": "mtl_core.exports.metrics_parquet",
    "tensorboard": "mtl_core.exports.tensorboard_events",
    "coco": "mtl_core.exports.coco_results",
    "masks": "mtl_core.exports.mask_pictures",
    "predictions": "mtl_core.exports.predictions_csv",
    "charts": "mtl_core.exports.chart_files",
    "report": "mtl_core.exports.html_report",
    "yaml": "mtl_core.exports.config_yaml",
    "script": "mtl_core.exports.script",
}
