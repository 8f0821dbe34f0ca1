"""Files on disk: atomic writes, and readers of JSON, text, XML, YAML, .npz, .mat and safetensors that trust nothing."""
