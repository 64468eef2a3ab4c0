"""Burrow, a model with known dependencies: its weights, and the grammar of the English that it was trained on."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
