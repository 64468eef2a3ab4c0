"""Classifiers of vectors and of words: thin wrappers over scikit-learn, imported when used."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

Classifier = Literal["centroid", "logistic"]
CLASSIFIERS: tuple[Classifier, ...] = ("centroid", "logistic")
HEADLINE: Classifier = "logistic"  # the one that evidence is based on

N_INNER_FOLDS = 3
DEFAULT_C = 1.0
BAG_C = (
    1.0,
    10.0,
    100.0,
)  # TF-IDF has unit length, so it takes weaker penalties than standardised vectors
USUAL_BAG_C = 10.0  # where there are no inner folds to choose one on
RARE = ""  # stands for every form that was seen in one group only


@dataclass(frozen=True, slots=True)
class Logistic:
    """How logistic regression is fitted.

    Attributes:
        standardise: Whether every number of a vector is first brought to mean 0 and spread 1, by the mean
            and spread of what is fitted.
        C: Inverse strengths of the penalty; of several, the one that does best on inner folds of whole
            groups, within what is fitted.
    """

    standardise: bool = True
    C: tuple[float, ...] = (0.01, 0.1, 1.0)

    @property
    def C_untold(self) -> float:
        """The penalty where there are no inner folds to choose one on."""
        return self.C[0] if len(self.C) == 1 else DEFAULT_C

    def make(self, codes: Int[ndarray, " example"], groups: Int[ndarray, " example"]) -> Any:
        """A classifier for examples with these labels and groups."""
        return self.made(inner_folds(codes, groups) if len(self.C) > 1 else [])

    def made(self, folds: Sequence[tuple[Int[ndarray, " _"], Int[ndarray, " _"]]]) -> Any:
        """A classifier that chooses its penalty on given folds; `C = 1` where there are none."""
        from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        if folds and len(self.C) > 1:
            settings: dict[str, Any] = {"l1_ratios": (0,), "use_legacy_attributes": False}
            regression = LogisticRegressionCV(
                Cs=cast(Any, list(self.C)),
                cv=list(folds),
                scoring="accuracy",
                max_iter=3000,
                **settings,
            )
        else:
            regression = LogisticRegression(C=self.C_untold, max_iter=3000)
        return make_pipeline(*([StandardScaler()] if self.standardise else []), regression)


def inner_folds(
    codes: Int[ndarray, " example"], groups: Int[ndarray, " example"]
) -> list[tuple[ndarray, ndarray]]:
    """Folds of whole groups in which to choose a penalty; none where a label has but one group."""
    from sklearn.model_selection import StratifiedGroupKFold

    least = min(len(np.unique(groups[codes == code])) for code in np.unique(codes))
    if least < 2:
        return []
    folder: Any = StratifiedGroupKFold(min(N_INNER_FOLDS, least), shuffle=True, random_state=0)
    return list(folder.split(np.zeros(len(codes)), codes, groups))


def chosen_C(fitted: Any) -> float:
    """The penalty that a fitted logistic regression came to use."""
    regression = fitted[-1]
    return float(regression.C_) if hasattr(regression, "C_") else float(regression.C)


class CentroidClassifier:
    """Nearest class mean by cosine similarity, in float64: near-ties must not hang on rounding."""

    def fit(
        self, values: Float[ndarray, "example dim"], codes: Int[ndarray, " example"]
    ) -> "CentroidClassifier":
        """Takes the mean of every class."""
        self.classes = np.unique(codes)
        means = np.stack(
            [values[codes == code].mean(axis=0, dtype=np.float64) for code in self.classes]
        )
        self.directions = means / np.linalg.norm(means, axis=1, keepdims=True).clip(1e-12)
        return self

    def predict(self, values: Float[ndarray, "example dim"]) -> Int[ndarray, " example"]:
        """The class whose mean points most nearly the same way; lengths cancel out."""
        return self.classes[(values @ self.directions.T).argmax(axis=1)]


class FormRule:
    """A rule of one word: each form predicts the label that it occurs with most.

    Forms that were fitted in one group only count as one form, and so do forms that were not fitted: a word that is seldom there is
    itself a sign, as an adjective is where an article could be.
    """

    def fit(
        self,
        forms: ndarray,
        codes: Int[ndarray, " example"],
        groups: Int[ndarray, " example"],
    ) -> "FormRule":
        """Counts labels by form, as shares of each label, since the score counts labels alike."""
        pairs = np.unique(np.stack([forms, groups.astype(forms.dtype)]), axis=1)
        names, n_groups = np.unique(pairs[0], return_counts=True)
        self.known = names[n_groups > 1]
        size = np.bincount(codes)
        share = np.divide(1.0, size, out=np.zeros(len(size)), where=size > 0)
        usual = int(size.argmax())
        self.said: dict[str, int] = {}
        told = self._told(forms)
        for form in np.unique(told):
            speaks = np.bincount(codes[told == form], minlength=len(size)) * share
            self.said[str(form)] = int(speaks.argmax())
        self.said.setdefault(RARE, usual)
        return self

    def _told(self, forms: ndarray) -> ndarray:
        return np.where(np.isin(forms, self.known), forms, RARE)

    def predict(self, forms: ndarray) -> Int[ndarray, " example"]:
        """The label of each form."""
        return np.array([self.said[str(form)] for form in self._told(forms)], dtype=int)


def weights(fitted: Any) -> tuple[Float[ndarray, "label dim"], Float[ndarray, " label"]]:
    """One row and one number per class of a fitted classifier, whose largest score is its prediction."""
    if isinstance(fitted, CentroidClassifier):
        return fitted.directions, np.zeros(len(fitted.directions))
    regression = fitted[-1]
    weight, bias = regression.coef_.astype(np.float64), regression.intercept_.astype(np.float64)
    if len(fitted) > 1:  # what was standardised is taken back into the weights
        weight = weight / fitted[0].scale_
        bias = bias - weight @ fitted[0].mean_
    if len(weight) == 1:  # two classes, of which scikit-learn keeps the difference
        weight, bias = (np.stack([-x[0] / 2, x[0] / 2]) for x in (weight, bias))
    return weight, bias


def word_counts() -> Any:
    """TF-IDF with sublinear counts."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(sublinear_tf=True)


def bag_of_words(C: float) -> Any:
    """Logistic regression on TF-IDF in which labels count alike."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=C, max_iter=3000, class_weight="balanced")


def majority() -> Any:
    """The most frequent class of what was fitted."""
    from sklearn.dummy import DummyClassifier

    return DummyClassifier(strategy="most_frequent")
