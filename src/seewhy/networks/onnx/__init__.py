"""Networks in ONNX files: onnxruntime runs them, `onnx` reads and cuts their graphs."""
