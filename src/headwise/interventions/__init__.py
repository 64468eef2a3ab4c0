"""Matters: what becomes of a model's behaviour when heads are ablated, patched or steered."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
