"""Arrays as text."""

import numpy as np

from headwise.report.schema import Packed


def test_packed_arrays_come_back():
    values = np.array([[0.5, np.nan, -1e-9], [3e8, 0, 1]])
    back = Packed.of(values, "f8").array()
    assert back.shape == (2, 3) and np.array_equal(back, values, equal_nan=True)
    shares = np.linspace(0, 1, 1001)
    assert np.abs((Packed.roots(shares).array() / 255.0) ** 2 - shares).max() < 0.004
    assert Packed.roots(np.array([np.nan, 1e-5, 2.0])).array().tolist() == [0, 1, 255]
