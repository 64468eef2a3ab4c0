"""Results of tests as the sections of a report, and a report from its sections."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
