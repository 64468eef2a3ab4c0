"""Shapes of transformers: the few numbers from which every parameter can be counted without weights.

A shape is named (`gpt3`) or given as numbers (`d_model=768,n_layers=12,n_heads=12`). What it can say is a
stack of equal blocks, each attention and an MLP; models of other forms are counted from their weights
(`headwise.count_parameters(model)`).
"""

from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from headwise.errors import HeadwiseError

MOST = 10**9  # of any one size
MOST_IN_ALL = 10**18  # so that counts, and scores of whole contexts, stay 64-bit numbers
OneOrMore = Annotated[int, Field(gt=0, le=MOST)]
ZeroOrMore = Annotated[int, Field(ge=0, le=MOST)]


class ModelShape(BaseModel):
    """The sizes of a transformer of one stack.

    Attributes:
        name: What it is called.
        d_model: Width of the residual stream.
        n_layers: Blocks.
        n_heads: Query heads per block.
        d_head: Width of a head; by default `d_model / n_heads`, rounded down.
        n_key_value_heads: Key and value heads per block; by default as many as query heads.
        d_mlp: Width of the MLP; by default `4 d_model`.
        gated: Whether the MLP has a third matrix, that of a gate (Llama).
        vocabulary: Tokens; 0 leaves embedding and unembedding out.
        tied: Whether the unembedding is the embedding used again.
        n_context: Most tokens; 0 where that is not known.
        learned_positions: Whether each position has a vector of its own (else rotary, or none).
        biases: Whether every matrix of a block has a bias.
        norms_per_block: Norms in a block.
        norm_biases: Whether a norm has a bias beside its gain (LayerNorm; RMSNorm has none).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = ""
    d_model: OneOrMore
    n_layers: OneOrMore
    n_heads: OneOrMore
    d_head: OneOrMore
    n_key_value_heads: OneOrMore
    d_mlp: OneOrMore
    gated: bool = False
    vocabulary: ZeroOrMore = 0
    tied: bool = True
    n_context: ZeroOrMore = 0
    learned_positions: bool = True
    biases: bool = True
    norms_per_block: ZeroOrMore = 2
    norm_biases: bool = True

    def __init__(self, **numbers: Any) -> None:
        """Makes a shape.

        Raises:
            HeadwiseError: An unknown field, one that is missing, or a number out of range.
        """
        try:
            super().__init__(**numbers)
        except ValidationError as error:
            raise HeadwiseError(_explain(error)) from error

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, given: Any) -> Any:
        """Derives what is usual from what was given."""
        filled = dict(given)
        try:
            d_model, n_heads = int(filled["d_model"]), int(filled["n_heads"])
        except (KeyError, TypeError, ValueError):  # told by name when the fields are looked at
            return filled | {
                name: filled.get(name, 1) for name in ("d_head", "n_key_value_heads", "d_mlp")
            }
        if "d_head" not in filled and n_heads > 0:
            filled["d_head"] = d_model // n_heads  # rounded down, as in GPT-3 13B; see `notes`
        return {"n_key_value_heads": n_heads, "d_mlp": 4 * d_model, "d_head": 1} | filled

    @model_validator(mode="after")
    def _is_possible(self) -> "ModelShape":
        widest = 4 * self.n_heads * self.d_head + 3 * self.d_mlp + self.norms_per_block
        if self.d_model * (self.n_layers * widest + 2 * self.vocabulary + self.n_context) > MOST_IN_ALL:  # fmt: skip
            raise ValueError(f"more than {MOST_IN_ALL:.0e} parameters, which no model has")
        return self

    @model_validator(mode="after")
    def _groups(self) -> "ModelShape":
        if self.n_heads % self.n_key_value_heads:
            raise ValueError(
                f"n_heads={self.n_heads} is no multiple of n_key_value_heads={self.n_key_value_heads}"
            )
        return self

    @property
    def notes(self) -> list[str]:
        """What a reader might not expect, in sentences."""
        notes = notes_on(self.n_heads, self.n_key_value_heads, self.d_head, self.d_model)
        if not self.vocabulary:
            notes.append("No vocabulary was given, so embedding and unembedding are left out.")
        return notes


def notes_on(n_heads: int, n_key_value_heads: int, d_head: int, d_model: int) -> list[str]:
    """What is unusual about the sizes of heads."""
    notes: list[str] = []
    if n_heads * d_head != d_model:
        notes.append(
            f"{n_heads} heads of {d_head} are {n_heads * d_head} wide and the residual stream is {d_model}; counted as given."
        )
    if n_key_value_heads != n_heads:
        many = "s" if n_key_value_heads > 1 else ""
        notes.append(
            f"Grouped-query attention: {n_heads} query heads share {n_key_value_heads} key and value head{many}."
        )
    return notes


LLAMA = {"gated": True, "learned_positions": False, "biases": False, "norm_biases": False}
GPT2 = {"vocabulary": 50257, "n_context": 1024}
PYTHIA = {"vocabulary": 50304, "n_context": 2048, "tied": False, "learned_positions": False}
SHAPES: dict[str, dict[str, Any]] = {
    # Brown et al. 2020, table 2.1; layout, tying and biases taken to be GPT-2's.
    "gpt3": {"d_model": 12288, "n_layers": 96, "n_heads": 96, "vocabulary": 50257, "n_context": 2048},
    "gpt2": {"d_model": 768, "n_layers": 12, "n_heads": 12} | GPT2,
    "gpt2-medium": {"d_model": 1024, "n_layers": 24, "n_heads": 16} | GPT2,
    "gpt2-large": {"d_model": 1280, "n_layers": 36, "n_heads": 20} | GPT2,
    "gpt2-xl": {"d_model": 1600, "n_layers": 48, "n_heads": 25} | GPT2,
    "pythia-70m": {"d_model": 512, "n_layers": 6, "n_heads": 8} | PYTHIA,
    "pythia-160m": {"d_model": 768, "n_layers": 12, "n_heads": 12} | PYTHIA,
    "llama-2-7b": {"d_model": 4096, "n_layers": 32, "n_heads": 32, "d_mlp": 11008, "vocabulary": 32000, "n_context": 4096,
                   "tied": False} | LLAMA,
    "llama-3-8b": {"d_model": 4096, "n_layers": 32, "n_heads": 32, "n_key_value_heads": 8, "d_mlp": 14336,
                   "vocabulary": 128256, "n_context": 8192, "tied": False} | LLAMA,
    "mistral-7b": {"d_model": 4096, "n_layers": 32, "n_heads": 32, "n_key_value_heads": 8, "d_mlp": 14336,
                   "vocabulary": 32000, "n_context": 32768, "tied": False} | LLAMA,
    "gemma-2b": {"d_model": 2048, "n_layers": 18, "n_heads": 8, "d_head": 256, "n_key_value_heads": 1, "d_mlp": 16384,
                 "vocabulary": 256000, "n_context": 8192} | LLAMA,
}  # fmt: skip
EXAMPLE = "d_model=768,n_layers=12,n_heads=12,vocabulary=50257,n_context=1024"


def shape_of(text: str) -> ModelShape:
    """A shape by its name, or from numbers as `d_model=768,n_layers=12,n_heads=12`.

    Raises:
        HeadwiseError: Neither a known name nor numbers that make a shape.
    """
    if "=" not in text:
        if text in SHAPES:
            return ModelShape(name=text, **SHAPES[text])
        close = get_close_matches(text, SHAPES, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise HeadwiseError(
            f"There is no shape called {text!r}; known are {', '.join(SHAPES)}.{hint} Or give numbers, as: {EXAMPLE}"
        )
    numbers: dict[str, str] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value or name in numbers or name == "name":
            raise HeadwiseError(
                f"A shape is a list of different sizes, as {EXAMPLE}; got {part.strip()!r} in {text!r}."
            )
        numbers[name] = value
    return ModelShape(name=text.replace(" ", ""), **numbers)


def _explain(error: ValidationError) -> str:
    errors = error.errors()  # a name that is not known explains why another is missing
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    field = str(first["loc"][0]) if first["loc"] else ""
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        close = get_close_matches(field, ModelShape.model_fields, n=1)
        message = f"a shape has no {field!r}{f'; did you mean {close[0]!r}?' if close else ''}"
    elif first["type"] == "missing":
        message = f"{field} is missing"
    elif field:
        message = f"{field}={first['input']}: {message[0].lower()}{message[1:]}"
    known = ", ".join(name for name in ModelShape.model_fields if name != "name")
    return f"Not a shape: {message}. A shape has {known}. For example: {EXAMPLE}"
