from .grammar.annotation import write_suite as write_suite
from .grammar.pairs import burrow_pairs as burrow_pairs
from .grammar.sentences import burrow_sentences as burrow_sentences
