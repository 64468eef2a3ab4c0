"""Several classes: a direction from all others to each of them, and steering between each two."""

from itertools import combinations

from ..models import Model
from ..suites import Suite
from .direction import Direction
from .pushes import DirectionResult, test_direction
from .steering import SteerResult, read_label, steer


def towards_each(model: Model, fitted: Suite, asked: Suite, seed: int = 0) -> list[DirectionResult]:
    """What pushes words from all other classes towards each.

    Args:
        model: The model.
        fitted: Sentences on which the directions are fitted, at the end of the stream.
        asked: Others, which are measured. Classes that it has fewer than two words of, or no word outside of, are passed over, and those that
            the fitted sentences do not have.
        seed: Fixes shuffles, random directions and intervals.
    """
    known = {mark.label for sentence in fitted.sentences for mark in sentence.marks}
    labels = [mark.label for sentence in asked.sentences for mark in sentence.marks]
    found: list[DirectionResult] = []
    for name in dict.fromkeys(labels):
        if name in known and 2 <= labels.count(name) <= len(labels) - 2:
            direction = Direction.of_classes(model, fitted, name, layer=model.n_layers)
            found.append(test_direction(model, asked, direction, (name, "others"), seed=seed))
    return found


def steer_between(
    model: Model, fitted: Suite, pairs: Suite, elsewhere: Suite, n_random: int = 10, seed: int = 0
) -> list[SteerResult]:
    """Steers the words of minimal pairs, each from the class that it is of to that of the other sentence.

    A decoder is steered where its stream ends, an encoder half way, as its word is read at the end.

    Args:
        model: The model.
        fitted: Sentences on which the directions are fitted.
        pairs: Minimal pairs; two classes of which there are fewer than two pairs are passed over.
        elsewhere: Sentences of another question, to see what else changes.
        n_random: Random directions.
        seed: Fixes them and the intervals.
    """
    layer = model.n_layers if model.is_causal else model.n_layers // 2
    known = {mark.label for sentence in fitted.sentences for mark in sentence.marks}
    ways = [{read_label(p.clean), read_label(p.corrupted)} for p in pairs.pairs]
    found: list[SteerResult] = []
    for ahead, behind in combinations(sorted(known), 2):
        if ways.count({ahead, behind}) >= 2:
            direction = Direction.of_classes(model, fitted, ahead, behind, layer=layer)
            found.append(
                steer(model, pairs, direction, unrelated=elsewhere, n_random=n_random, seed=seed)
            )
    return found
