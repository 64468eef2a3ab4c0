"""What is run: models of many architectures behind one interface, how they are loaded, and whether their hooks hold."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
