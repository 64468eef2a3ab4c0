"""What reads a label from vectors or from words: thin over scikit-learn, imported when used."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

Classifier = Literal["centroid", "logistic"]


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


def weights(fitted: Any) -> tuple[Float[ndarray, "label dim"], Float[ndarray, " label"]]:
    """One row and one number per class of a fitted classifier, whose largest score is its prediction."""
    if isinstance(fitted, CentroidClassifier):
        return fitted.directions, np.zeros(len(fitted.directions))
    weight, bias = fitted.coef_.astype(np.float64), fitted.intercept_.astype(np.float64)
    if len(weight) == 1:  # two classes, of which scikit-learn keeps the difference
        weight, bias = (np.stack([-x[0] / 2, x[0] / 2]) for x in (weight, bias))
    return weight, bias


def logistic() -> Any:
    """Multinomial logistic regression with C = 1, on the vectors as they are."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=1.0, max_iter=3000)


def bag_of_words() -> Any:
    """TF-IDF with sublinear counts, then balanced logistic regression with C = 10."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(
        TfidfVectorizer(sublinear_tf=True),
        LogisticRegression(C=10.0, max_iter=3000, class_weight="balanced"),
    )


def majority() -> Any:
    """The most frequent class of what was fitted."""
    from sklearn.dummy import DummyClassifier

    return DummyClassifier(strategy="most_frequent")


CLASSIFIERS: dict[Classifier, Callable[[], Any]] = {
    "centroid": CentroidClassifier,
    "logistic": logistic,
}
