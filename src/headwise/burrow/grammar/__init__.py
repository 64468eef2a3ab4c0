"""The English that burrow was trained on: a probabilistic grammar that annotates its text.

What a passage holds is decided by drawing at random, first a hidden state (a sense, a murderer, the
adjectives of a noun), then words that follow from it. So for every word the dependencies, the alternatives and the irreducible surprisal are known.

- `lexicon`: the words, read from `data/*.toml`; which combinations are held out of training
- `chance`, `writer`: choices and their surprisal; the words as they are written
- `phrases`, `narration`, `adjectives`, `senses`, `people`, `mysteries`: the kinds of passages
- `passages`: all kinds in the proportions of the training text
- `syntax`, `annotation`, `sentences`: dependency trees, files, and suites for analyses and tests
"""
