"""Known matrices of low rank."""

import pytest
import torch

from headwise import HeadwiseError
from headwise.weights.low_rank import Factored


def test_known_matrices():
    identity = Factored(torch.eye(6)[:, :3], torch.eye(6)[:3])
    assert torch.equal(identity.singular_values, torch.ones(3))
    assert identity.effective_rank.item() == pytest.approx(3)
    assert identity.norm.item() == pytest.approx(3**0.5)
    assert identity.copying == 1
    assert Factored(-identity.left, identity.right).copying == -1
    turn = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
    assert abs(Factored(torch.eye(2), turn).copying) < 1e-6  # eigenvalues i and -i
    first = Factored(torch.tensor([[3.0, 0.0], [0.0, 0.0]]), torch.eye(2))
    assert first.effective_rank == 1 and first.singular_values[0] == 3
    nothing = Factored(torch.zeros(4, 2), torch.zeros(2, 4))
    assert nothing.effective_rank.isnan() and nothing.copying.isnan() and nothing.norm == 0


def test_only_a_square_matrix_has_eigenvalues():
    with pytest.raises(HeadwiseError, match="this one is 4 x 5"):
        _ = Factored(torch.zeros(4, 2), torch.zeros(2, 5)).eigenvalues
