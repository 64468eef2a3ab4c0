from . import hooks as hooks
from .ablation import AblationResult as AblationResult
from .ablation import ablate as ablate
from .cache import HeadCache as HeadCache
from .cache import capture as capture
from .classifiers import Logistic as Logistic
from .erasure import ErasureResult as ErasureResult
from .erasure import erase as erase
from .errors import HeadwiseError as HeadwiseError
from .grammar.sentences import burrow_sentences as burrow_sentences
from .indirect_objects import indirect_objects as indirect_objects
from .linear import Probe as Probe
from .loading import load as load
from .models import Model as Model
from .probing import ProbeResult as ProbeResult
from .probing import fit_probe as fit_probe
from .probing import probe as probe
from .relations import RelationResult as RelationResult
from .relations import test_relation as test_relation
from .results import Report as Report
from .streaming import fold as fold
from .suites import Sentence as Sentence
from .suites import Suite as Suite
from .suites import read as read

__version__: str
