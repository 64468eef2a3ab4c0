from .grammar.annotation import write_suite as write_suite
from .grammar.fields import by_field as by_field
from .grammar.pairs import burrow_pairs as burrow_pairs
from .grammar.sentences import burrow_sentences as burrow_sentences
