"""Where are a model's parameters, and what does its context cost?

Question: how many parameters do queries, keys, value-down, value-up, the MLPs and the embeddings have;
how many attention scores does a text of T tokens give; and what do the weights of each head alone say?

Method: every parameter is counted once, and T^2 scores for each head. Of a model, the QK and OV circuits of
every head are described by their effective rank and copying score, beside products of Gaussian matrices.
No sentences are used. A shape, which has sizes and no weights, may replace the model.

    uv run analyses/parameters.py --model burrow
    headwise run parameters --shape gpt3
    headwise run parameters --shape d_model=768,n_layers=12,n_heads=12,vocabulary=50257,n_context=1024

Caveats: weights say what a head could do, not what it does. No trained head is like a random product, so
a difference from random products means little by itself.
"""

import headwise
from headwise.report import sections
from headwise.report.schema import Section, percent

SUITE = None  # no sentences are used
USUAL_CONTEXT = 1024  # of a shape without a limit
N_NULL = 40  # random models beside the circuits


def analyse(
    model: headwise.Model | None, suite: None, *, seed: int = 0, smoke: bool = False, shape: str = ""
) -> headwise.Report:  # fmt: skip
    """Counts the parameters of a model or a shape, and describes the weights of a model's heads."""
    count = headwise.count_parameters(shape if model is None else model)
    answer, of_heads = _answer(count), OF_A_SHAPE
    if model is not None:
        circuits = headwise.read_circuits(model, n_null=5 if smoke else N_NULL, seed=seed)
        of_heads = sections.circuits(circuits)
        answer += f" {sections.copying(circuits)}"
    return sections.compose(
        count.name if model is None else model,
        analysis="parameters",
        question="Where are a model's parameters, and what does its context cost?",
        verdict="description",
        answer=answer,
        sections=[sections.parameters(count), of_heads],
        seed=seed,
    )


OF_A_SHAPE = Section(
    title="Circuits of every head",
    findings=["A shape has no weights, so its heads cannot be described."],
    method=["Sizes that were not given are those of GPT-2."],
    references=["Brown et al. 2020, Language models are few-shot learners (the sizes of GPT-3)."],
)


def _answer(count: headwise.ParameterCount) -> str:
    """Shares of the parameters, and the scores of a text of full length."""
    stored = count.table[count.table["stored"]]
    embeddings = int(stored["total"][stored["part"].str.contains("embedding")].sum())
    shares = {"attention": count.attention.total, "MLPs": count.count("MLP up", "MLP gate", "MLP down"), "embeddings": embeddings}  # fmt: skip
    n = count.n_context or USUAL_CONTEXT
    return (
        f"{count.name} stores {count.total:,} parameters ({count.matrices:,} in matrices, the unembedding counted separately): {', '.join(f'{percent(own / count.total)} in {part}' for part, own in shares.items())}. "
        f"A text of {n:,} tokens{', the most it takes,' if count.n_context else ''} gives {n**2:,} scores in each of {count.n_heads:,} heads, {n**2 * count.n_heads:,} in all."
    )  # fmt: skip


if __name__ == "__main__":
    from headwise.cli import script

    script(__file__)
