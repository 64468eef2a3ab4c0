"""Moves (direct contribution): what every head adds to the residual stream, and along which directions."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
