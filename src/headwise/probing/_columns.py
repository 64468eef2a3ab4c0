"""Columns of probes and of erasure."""

from headwise._columns import Column, Columns, interval

PROBED = Columns(
    Column("site", "Site", "text", "`residual`, `z`, `update`, `k`, `v`, or the name of a baseline that needs no model"),
    Column("layer", "Layer", "integer", "Counted from 0; of the residual stream the last is the end"),
    Column("head", "Head", "integer", "Counted from 0 in its layer; empty for the residual stream and for baselines"),
    Column("classifier", "Classifier", "text", "`centroid` (nearest class mean) or `logistic` (regression)"),
    Column("cases", "Cases", "integer", "Examples that were scored"),
    Column("clusters", "Clusters", "integer", "How many they are from"),
    Column("balanced_accuracy", "Balanced accuracy", "rate", "Mean of the accuracies within each label, of examples that were not fitted"),
    interval("balanced_accuracy", "rate"),
    Column("accuracy", "Accuracy", "rate", "Share of the scored examples, none of them fitted"),
    interval("accuracy", "rate"),
    Column("gain", "Gain", "difference", "Balanced accuracy above that of the best baseline, points"),
    interval("gain", "difference"),
    Column("gain_se", "SE of gain", "difference", "Standard error of the gain over clusters"),
    Column("t", "t", "number", "The gain in units of its standard error"),
    Column("p_fwer", "p", "number", "Of the gain, over all heads of the site, or over all layers"),
    Column("q_fdr", "q", "number", "False discovery rate (Benjamini-Hochberg) of the gain"),
    Column("critical", "Critical t", "number", "How many standard errors about the gains hold all of them at once"),
    Column("detectable", "Detectable", "difference", "Smallest gain that would be found in 80% of such data"),
    Column("control", "Controls", "difference", "Largest gain of any place of a model with random weights or with uniform attention"),
    Column("control_t", "Control t", "number", "Largest t of any such place; t must exceed it"),
    Column("p_reading", "p reading alone", "number", "Of reading the label at all, here alone, against shuffled labels; describes and decides nothing"),
    Column("p_reading_fwer", "p reading", "number", "The same, family-wise over everything probed"),
    Column("q_reading_fdr", "q reading", "number", "The same, false discovery rate"),
    Column("control_accuracy", "On the control task", "rate", "Accuracy of the same classifier on a control task (Hewitt and Liang 2019)"),
    Column("selectivity", "Selectivity", "difference", "Accuracy above that of the same classifier on a control task, points, on the sentences where both can be known; empty where no control task was possible"),
    Column("codelength", "Codelength", "number", "Online code of all labels, in bits"),
    Column("uniform_codelength", "Codelength without vectors", "number", "Bits of the same labels when every label is equally probable"),
    Column("codelength_ratio", "Bits", "rate", "Online codelength of all labels, as a share of what it takes without the vectors"),
)  # fmt: skip
CONTROLS = Columns(
    Column(
        "control", "Control", "text", "`random weights` with its number, or `uniform attention`"
    ),
    PROBED.pick("site", "layer", "head", "classifier", "balanced_accuracy", "gain", "t"),
)
ERASED = Columns(
    Column("layer", "Layer", "integer", "At which the label was erased from the residual stream"),
    Column("measure", "Measure", "text", "What was measured, see `headwise.probing.erasure.MEASURES`"),
    Column("examples", "Sentences", "integer", "That were scored"),
    Column("clean", "Clean", "number", "Mean of the measure in the unmodified model"),
    Column("erased", "Erased", "number", "Mean with the label erased"),
    Column("random", "Random", "number", "Of equal rank; mean over several"),
    Column("as_far", "Moved as far", "number", "By the same length, in a random subspace"),
    Column("difference", "Difference", "number", "Erased less moved as far, or less random"),
    interval("difference", over="groups"),
    Column("chance", "Chance", "rate", "Rate of the label that is most frequent where probes are fitted, for `accuracy`"),
)  # fmt: skip
