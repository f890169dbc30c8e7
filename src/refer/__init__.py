"""ReFER: reproducible facial expression recognition, from raw archives to comparison tables."""

__version__ = "0.1.0"
