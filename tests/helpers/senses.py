"""Two senses of one word, told by the word beside it."""

from headwise.data.suite import Suite
from headwise.data.toml import parse

LABELS = {"unit": "", "animal": ""}
ABOUT = (
    "hazy brackish estuaries", "seven crooked chimneys", "our late postmaster", "velvet theatre curtains",
    "Gothic clock towers", "freshly painted dinghies", "unripe plum orchards", "diesel powered tractors",
    "Sunday brass bands", "narrow alpine passes", "quarrelsome jackdaws", "boiled winter turnips",
    "forgotten hymn books", "whistling kettle lids", "Moroccan spice markets", "empty football grounds",
)  # fmt: skip


def suite(n_groups=8, per_group=3):
    """Two senses told apart by the neighbouring word, each group about something else."""
    sentences = [
        parse(f"{start} {ABOUT[8 * i + n]} {clue} [mole|{sense}] again", LABELS, f"{sense}{n}")
        for i, (sense, clue) in enumerate((("unit", "one"), ("animal", "furry")))
        for n in range(n_groups)
        for start in ("So", "Then", "But")[:per_group]
    ]
    return Suite("s", "?", tuple(sentences), LABELS)
