"""What does every head attend to, whatever the words mean?

Question: before any hypothesis, which heads attend to the previous token, to the first, to special tokens; which spread
their attention, which attend to repetitions?

Method: shares of attention of every head on a suite's sentences, and on random tokens that are repeated. Nothing is tested.

    uv run analyses/atlas.py --model burrow
    headwise run atlas --model minilm --data en_ewt-ud-dev.conllu

Caveats: a high share is a description. A head may attend to the previous token for many reasons, and a token that
receives much attention may contribute nothing.
"""

import headwise
from headwise.attention import SINK, atlas
from headwise.report import sections
from headwise.report.schema import percent

SUITE = "adjective_noun"
BURROW = "narration"


def analyse(
    model: headwise.Model, suite: headwise.Suite, *, seed: int = 0, smoke: bool = False
) -> headwise.Report:
    """Describes every head of a model."""
    found = atlas(model, suite, seed=seed)
    return sections.compose(
        model,
        analysis="atlas",
        question="What does every head attend to, whatever the words mean?",
        verdict="description",
        answer=f"Of {len(found.table)} heads of {found.model}, {sections.strongest_heads(found)}; {percent(found.sink_share)} give one token more than {percent(SINK)} of their attention. "
        "This is a description and no test.",
        sections=[sections.atlas(found, suite)],
        suite=suite,
        seed=seed,
    )  # fmt: skip


if __name__ == "__main__":
    from headwise.cli import script

    script(__file__)
