"""Activations: hooks on every head, aligned with words and within a memory budget."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
