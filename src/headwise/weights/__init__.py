"""Weights alone: QK and OV circuits, the logit readout, and parameter counts."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
