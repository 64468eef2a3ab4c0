"""Columns of tests of directions, of the logit lens and of transfer."""

from headwise._columns import Column, Columns, columns_of_heads, interval

NAME = Column("name", "Head", "text", "Its name, as L3H7")
CONTRIBUTIONS = Columns(
    Column("name", "From", "text", "The component: a head, an MLP, the embedding, positions or biases"),
    Column("kind", "Kind", "text", "`head`, `mlp`, or what else writes into the stream"),
    columns_of_heads(),
    Column("contribution_positive", "Ahead", "number", "Mean contribution to words of the class ahead, as a length along the direction"),
    Column("contribution_negative", "Behind", "number", "Mean contribution to words of the class behind"),
    Column("effect", "Effect", "number", "How much larger its contribution is to words of the class ahead than to words of the class behind"),
    interval("effect"),
    Column("se", "SE", "number", "Standard error of the effect over clusters"),
    Column("df", "df", "number", "Degrees of freedom of the standard error"),
    Column("t", "t", "number", "The effect in units of its standard error"),
    Column("share", "Share", "rate", "Of the distance of the classes along the direction; shares sum to 100%"),
    Column("cosine", "Cosine", "number", "Between its own step from class to class and the direction"),
    Column("p", "p alone", "number", "Of this component alone, one-sided, against labels shuffled within groups"),
    Column("p_fwer", "p", "number", "Against shuffled labels, the largest of all heads and MLPs"),
    Column("q_fdr", "q", "number", "False discovery rate (Benjamini-Hochberg)"),
    Column("p_fwer_negative", "p, other way", "number", "Family-wise, that its contribution goes the other way"),
    Column("p_random", "p random alone", "number", "Of this component alone, against random directions"),
    Column("p_random_fwer", "p random", "number", "Against random directions that vary as the words do within their classes, the largest of all heads and MLPs"),
    Column("excess_p_fwer", "p excess", "number", "Of the excess over uniform attention, against shuffled labels, the largest of all heads"),
    Column("bar", "Bar", "number", "What t must exceed at 5% over all heads, MLPs and directions"),
    Column("random_bar", "Bar, random", "number", "What the effect must exceed against random directions, at the same level"),
    Column("uniform", "Uniform", "number", "Effect that the same head would have if it attended to everything alike"),
    Column("excess", "Excess", "number", "Effect less that under uniform attention"),
    interval("excess"),
    Column("excess_se", "SE of excess", "number", "Standard error of the excess over clusters"),
    Column("excess_t", "t excess", "number", "The excess in units of its standard error"),
    Column("control", "Controls", "rate", "Largest share of any head of models with random weights"),
    Column("control_t", "Control t", "number", "Largest t of any such head; both t must exceed it"),
)  # fmt: skip
TRAJECTORY = Columns(
    Column("layer", "Layer", "integer", "Of the residual stream; 0 is before any attention"),
    Column("label", "Class", "text", "Each class, and `difference`"),
    Column("mean", "Lies at", "number", "Mean place of its words along the direction, or the distance of the classes"),
    interval("mean", over="groups"),
)  # fmt: skip
SOURCES = Columns(
    NAME,
    columns_of_heads(),
    Column("source", "Taken from", "text", "`the word itself`, `key words`, `no word`, tokens such as a first one, or `other words`"),
    Column("effect", "Effect", "number", "Part of the head's effect that it read from there"),
    interval("effect"),
    Column("share", "Share", "rate", "Of the head's effect"),
)  # fmt: skip
WORDS = Columns(
    NAME,
    Column("word", "Word", "text", "In lower case; words that occur at least twice"),
    Column("occurrences", "Times", "integer", "How often it was read from"),
    Column("contribution", "Contribution", "number", "Mean, towards the class of the sentence that it stands in"),
)  # fmt: skip
OV_ALIGNMENT = Columns(
    NAME,
    columns_of_heads(),
    Column("own", "Own", "number", "Mean cosine of its update at a word to the OV images of the words that this one is linked to"),
    Column("others", "Others'", "number", "The same to those of the other sentences of the group"),
    Column("difference", "Difference", "number", "Own less others'; any attention gives one"),
    Column("over_uniform", "Over uniform", "number", "Less the difference under uniform attention, with the head's own values"),
    Column("over_attention", "Over attention", "number", "Less the difference under the attention of the other heads of its layer, with its own values"),
    Column("over_values", "Over values", "number", "Less the difference of its attention through the values of the other heads of its layer"),
    Column("effect", "Smallest", "number", "The smallest of the three"),
    interval("effect", over="groups"),
    Column("se", "SE", "number", "Standard error of the effect over groups"),
    Column("df", "df", "number", "Degrees of freedom of the standard error"),
    Column("t", "t", "number", "The smallest of the three"),
    Column("p", "p alone", "number", "Of this head alone, sign flips of whole groups, the largest of the three"),
    Column("p_fwer", "p", "number", "Sign-flip test over groups; over all heads and the three, the largest of the three"),
    Column("q_fdr", "q", "number", "False discovery rate (Benjamini-Hochberg), the largest of the three"),
    Column("wins", "Wins", "rate", "Share of words of which own is larger than others'"),
    Column("control", "Controls", "number", "Largest effect of any head with random weights, or of one head's attention with another's values"),
    Column("control_t", "Control t", "number", "The largest t of any head with random weights, or of one head's attention with another's values"),
)  # fmt: skip
TRANSFER = Columns(
    Column("layer", "Layer", "integer", "Of the residual stream; 0 is before any attention"),
    Column("field", "Field", "text", "Of the word pairs, as family or royalty"),
    Column("pairs", "Pairs", "integer", "Of sentences"),
    Column("right", "Right way", "rate", "How often the step goes the way of the source's; 50% is chance"),
    interval("right", "rate", "word pairs"),
    Column("step", "Step", "number", "How far it goes, in steps of the direction"),
    interval("step", over="word pairs"),
    Column("se", "SE", "number", "Standard error of the step over word pairs"),
    Column("cosine", "Cosine", "number", "Mean, to the direction"),
    Column("p_random", "p random", "number", "Share of random directions along which the mean step is as long"),
    Column("uniform", "Uniform", "number", "Step in the same model with uniform attention"),
    Column("excess", "Excess", "number", "How much further it goes than under uniform attention"),
    interval("excess", over="word pairs"),
    Column("t", "t", "number", "The step in units of its standard error"),
    Column("p", "p alone", "number", "Of this layer and field alone, one-sided, sign flips of word pairs"),
    Column("p_fwer", "p", "number", "Sign-flip test over word pairs; over all layers and fields"),
    Column("critical", "Critical t", "number", "How many standard errors about the steps hold all of them at once"),
    Column("excess_p_fwer", "p excess", "number", "Of what the step has beyond uniform attention, as p"),
    Column("control_t", "Control t", "number", "The largest t of any field at any layer of models with random weights"),
    Column("words", "Word pairs", "integer", "Pairs of words, over which intervals and tests go"),
)  # fmt: skip

LABEL = Column("label", "Label", "text", "Label of the marked words")
LAYER = Column("layer", "Layer", "integer", "The block that the stream comes before, or in which the head is; the last is the end")  # fmt: skip
RANK = Column("rank", "Rank", "integer", "Counted from 0, the highest")
TOKEN = Column("token", "Token", "text", "Of the vocabulary")
HEAD = Column("head", "Head", "integer", "Counted from 0 in its layer; empty for the stream")
STREAM = Columns(
    LABEL,
    LAYER,
    RANK,
    TOKEN,
    Column("score", "Score", "number", "Mean over the words of this label: log probability, or cosine where there is no output head"),
)  # fmt: skip
UPDATES = Columns(
    LABEL,
    LAYER,
    HEAD,
    RANK,
    TOKEN,
    Column("rise", "Rise", "number", "By how much the head raises its score, mean over the words of this label"),
    Column("before", "Before", "number", "Mean score of the stream as the head found it"),
    Column("after", "After", "number", "Mean score with the head's update"),
)  # fmt: skip
KIND = Column("kind", "Kind", "text", "`stream`, or `update` of a head")
CONTRASTS = Columns(
    LABEL,
    LAYER,
    HEAD,
    RANK,
    TOKEN,
    Column("difference", "Above the others", "number", "Score or rise above that at the other labels' words; chosen for being large, and no evidence"),
    KIND,
)  # fmt: skip
SENTENCES = Columns(
    Column("sentence", "Sentence", "integer", "Its place in the suite"),
    LABEL,
    LAYER,
    TOKEN.but(meaning="The highest of the vocabulary"),
    Column("score", "Score", "number", "Of that token at this word"),
    Column("text", "Text", "text", "The sentence"),
)
TARGETS = Columns(
    LABEL,
    KIND,
    LAYER,
    HEAD,
    Column("n_words", "Marked words", "integer", "Of this label"),
    Column("n_targets", "Words", "integer", "That were named beforehand and have a token"),
    Column("effect", "Effect", "number", "How far the words named stand (or rise) above the mean word, less the same at the other labels' words"),
    interval("effect", over="groups"),
    Column("p", "p alone", "number", "Of this place alone, one-sided, against random words of the vocabulary"),
    Column("p_fwer", "p", "number", "Against random words of the vocabulary, the largest of all places of the kind"),
    Column("q_fdr", "q", "number", "False discovery rate (Benjamini-Hochberg)"),
    Column("p_topic", "p topic alone", "number", "Of this place alone, against words of random topics"),
    Column("p_topic_fwer", "p topic", "number", "Against words of random topics, the largest of all places of the kind"),
)  # fmt: skip
