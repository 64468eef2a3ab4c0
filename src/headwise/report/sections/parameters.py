"""What the parameters of a model or a shape are, and what a context costs, as a section."""

from headwise.activations.planning import readable
from headwise.report.schema import Column, Section, Table
from headwise.weights.parameters import ParameterCount

PARAMETERS = [
    Column(name="part", title="Part"),
    Column(name="heads", title="Heads per block", kind="integer", note="Keys and values have fewer under grouped-query attention"),
    Column(name="per_head", title="Per head", kind="integer"),
    Column(name="per_block", title="Per block", kind="integer"),
    Column(name="total", title="All blocks", kind="integer"),
    Column(name="share", title="Share of all stored", kind="rate"),
]  # fmt: skip
CONTEXT = [
    Column(name="tokens", title="Tokens, T", kind="integer"),
    Column(name="scores_per_head", title="Scores per head, T\N{SUPERSCRIPT TWO}", kind="integer"),
    Column(name="heads", title="Heads in all blocks", kind="integer"),
    Column(name="scores", title="Scores", kind="integer"),
    Column(name="bytes", title="Bytes in float32", kind="integer"),
    Column(name="size", title="Size"),
]


def parameters(count: ParameterCount) -> Section:
    """Every parameter once, with sums, and the attention scores of texts of several lengths."""
    context = count.context()
    limit = f" The model takes {count.n_context:,}." if count.n_context else ""
    return Section(
        title="Parameters and context",
        tables=[
            Table.of(
                "parameters", "Parameters", count.summary, PARAMETERS,
                caption="Value-down is W_V, value-up the head's slice of W_O. 'All matrices' excludes positions, biases and norms; 'all that is stored' includes them, and counts an unembedding that is tied to the embedding once.",
            ),
            Table.of(
                "context", "Attention scores of a context", context.assign(size=context["bytes"].map(readable)), CONTEXT,
                caption=f"Every head compares every token with every token: T\N{SUPERSCRIPT TWO} scores.{limit} Bytes if all patterns were held at once; fused kernels hold a few rows at a time, but compute as many scores.",
            ),
        ],
        findings=list(count.notes),
        method=[
            "Every parameter is counted once, by its place in the model. Queries, keys, value-down and value-up are counted per head; under grouped-query attention several query heads share keys and values.",
        ],
    )  # fmt: skip
