"""Models of many architectures behind one interface: loading, structure, and checks of their hooks."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
