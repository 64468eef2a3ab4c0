"""What reads a label from vectors or words."""

import numpy as np

from headwise.probing.classifiers import CentroidClassifier, FormRule


def test_centroid_ignores_length():
    values = np.array([[1.0, 0.0], [3.0, 0.1], [0.0, 1.0], [0.1, 0.4]], dtype=np.float32)
    fitted = CentroidClassifier().fit(values, np.array([4, 4, 7, 7]))
    assert fitted.predict(100 * values).tolist() == [4, 4, 7, 7]


def test_a_rule_of_one_word():
    forms = np.array(["the", "the", "old", "new", "the", "wet"])
    codes, groups = np.array([0, 0, 1, 1, 0, 1]), np.arange(6)
    rule = FormRule().fit(forms, codes, groups)
    assert rule.predict(np.array(["the", "red", "old"])).tolist() == [0, 1, 1]
    assert FormRule().fit(forms[:2], codes[:2], groups[:2]).predict(np.array(["red"])) == [0]
