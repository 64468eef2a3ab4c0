from .file import HypothesisFile as HypothesisFile
from .hypothesis import Hypothesis as Hypothesis
from .registration import Registration as Registration
from .registration import register as register
from .replication import ReplicationResult as ReplicationResult
from .replication import replicate as replicate
from .template import template as template
