"""Matters (ablation): the effect of ablation, patching and steering on a model's behaviour."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
