"""Tests of what attention heads do: hypotheses, controls and an honest answer.

Names are loaded on first use, so that `import headwise` and `headwise --help` do not import torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = "0.1.0"
