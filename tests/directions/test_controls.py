"""Never-trained models move nothing, and without them nothing is a yes."""

from headwise import evidence
from headwise.directions import contributions
from headwise.directions.constructors import from_classes
from helpers.planted_head import make
from helpers.planted_push import plant, planted_suite


def test_without_a_control_nothing_is_a_yes(word_level):
    model = plant(word_level, 0)
    direction = from_classes(model, planted_suite(0, 0), ("one", "two"), layer=2)
    result = contributions.direction_test(model, planted_suite(1, 1), direction, n_permutations=400)
    assert "yes" not in set(evidence.moves([result])["moves"])

    class Unmakeable(type(model.hf)):
        def __init__(self, config):
            raise TypeError("no")

    def never(of):
        raise AssertionError(of)

    model.hf.__class__ = Unmakeable
    result = contributions.direction_test(
        model, planted_suite(1, 1), direction, n_permutations=50, refit=never
    )
    assert "TypeError" in result.control.why_not and result.control.n_models == 0


def test_never_trained_models_move_nothing(word_level):
    """As they are, and with every head alike: no head is a yes, in models with much larger weights than are drawn."""
    for seed in range(6):
        model = make(word_level, seed, planted=False)
        fitted, asked = planted_suite(seed, 0), planted_suite(100 + seed, 1)

        def fit(of, suite=fitted):
            return [from_classes(of, suite, ("one", "two"), layer=2)]

        result = contributions.direction_test(model, asked, *fit(model), n_permutations=400, refit=fit, n_null=2, n_traced=0)  # fmt: skip
        assert "yes" not in set(evidence.moves([result])["moves"])
