"""The file that `headwise new` writes: it runs as it stands, and says what can be changed."""

from pydantic import TypeAdapter, ValidationError

from headwise._formatting import brief
from headwise.errors import HeadwiseError

from .file import Name

TEXT = """# A hypothesis about attention heads. It runs as it stands:
#     headwise test {name}.toml --model burrow
# What each key means is in docs/hypotheses.md.
format = 1
name = "{name}"

# The question and the claim, each in a sentence.
question = "Do some heads let nouns collect their adjectives?"
claim = "In some head nouns attend to their adjectives."

# The sentences: a suite that comes with Headwise, or a .toml suite or .conllu treebank beside this file. They can stand here, too:
#     [suite.labels]
#     noun = "a noun"
#     adj = "an adjective"
#     [[suite.groups]]
#     name = "one"
#     sentences = ["the [blue|adj>1] [creature|noun#1] slept"]
suite = "adjective_noun"
burrow = "adjectives"  # the model burrow was trained on its own English only: sentences that its grammar makes

# Looks: does one word of a relation attend to the other, more often than chance and than rules of plain text?
[looks]
relation = "amod"
order = "governor->dependent"  # the noun attends; or "dependent->governor", or "column"
smallest = 0.05  # smallest effect of interest: 5 points of hit rate

# Matters: is a behaviour lost without the head? Minimal pairs say what the behaviour is.
[matters]
pairs = "adjective_pairs"
burrow = "adjectives"
smallest = 0.05  # 5% of the clean metric

# Carries: can a label of the marked words be decoded from the head's output, better than without a model?
# [carries]
# label = "mark"
# at = 0  # the marked word; -1 is the one before it

# Moves: does the head's update move the word along a direction?
# [moves]
# how = "ov"  # along the OV images of linked words; or "classes", towards each label
"""


def template(name: str) -> str:
    """The text of a new hypothesis.

    Raises:
        HeadwiseError: It cannot have this name.
    """
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        raise HeadwiseError(
            f"{brief(name)} cannot be the name of a hypothesis: a letter, then letters, digits, dashes and underscores, 60 at most."
        ) from error
    return TEXT.format(name=name)
