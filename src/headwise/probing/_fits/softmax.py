"""Many logistic regressions at once: the same examples, other weights and penalties.

A probe with its penalties on inner folds is dozens of small regressions on one set of vectors. One by one most of the time goes to starting
them; here they are columns of one matrix, and L-BFGS (Liu and Nocedal 1989) runs on all side by side until each has converged. The
objective is scikit-learn's, so what is found is what `LogisticRegression` finds, to the tolerance. Vectors are first
turned to principal axes, where the curvature is nearly diagonal and few steps are needed. Memory: `4 * matrices *
examples * problems * labels` bytes, some times over.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

TOLERANCE = 3e-5  # largest slope of the mean loss at which a fit is done
MEMORY = 6  # steps that L-BFGS remembers
MOST_STEPS = 1000
MOST_HALVINGS = 20
ROUNDING = 1e-6  # by which a loss may seem to rise in single precision
ABSENT = -1e9  # log odds of a label that was not fitted

Coefficients = Float[ndarray, "matrix dim label problem"]
OfProblem = Float[ndarray, "matrix problem"]


def fit_logistic(
    values: Float[ndarray, "matrix example dim"],
    codes: Int[ndarray, " example"],
    weights: Float[ndarray, "matrix problem example"],
    C: Float[ndarray, "matrix problem"],
    n_labels: int,
) -> Float[ndarray, "matrix problem example label"]:
    """Fits multinomial logistic regressions with an L2 penalty and gives their log odds for every example.

    Args:
        values: Vectors; every problem of a matrix has the same.
        codes: Labels.
        weights: How much each example counts in fitting; 0 for those that are not fitted.
        C: Inverse strength of each problem's penalty; intercepts are free.
        n_labels: How many labels there are. Those without fitted examples are never predicted.

    Returns:
        Log odds up to a constant, of the fitted examples and of all others.
    """
    problem = _Problem.of(values, codes, weights, C, n_labels)
    return problem.scores(_minimise(problem)).transpose(0, 2, 3, 1)


@dataclass(frozen=True, eq=False)
class _Problem:
    """What is minimised: the mean loss of each problem with its penalty.

    Attributes:
        values: Vectors on their principal axes, with a one at the end.
        codes: Labels.
        weights: Of examples, with sum 1 for each problem.
        penalty: Of coefficients, as a share of the mean loss; 0 of intercepts.
        softness: Guess at the inverse curvature.
        absent: `ABSENT` for labels without fitted examples, else 0.
    """

    values: Float[ndarray, "matrix example dim"]
    codes: Int[ndarray, " example"]
    weights: Float[ndarray, "matrix problem example"]
    penalty: Float[ndarray, "matrix dim 1 problem"]
    softness: Float[ndarray, "matrix dim 1 problem"]
    absent: Float[ndarray, "matrix label problem"]

    @staticmethod
    def of(
        values: Float[ndarray, "matrix example dim"],
        codes: Int[ndarray, " example"],
        weights: Float[ndarray, "matrix problem example"],
        C: Float[ndarray, "matrix problem"],
        n_labels: int,
    ) -> "_Problem":
        turned, spread = _turned(values)
        one = np.ones((*turned.shape[:2], 1))
        target = np.eye(n_labels)[codes]
        is_there = (weights @ target) > 0
        total = weights.sum(axis=2)
        # Of two labels scikit-learn penalises the difference, which is half as strict as both.
        doubled = 1 + (is_there.sum(axis=2) == 2)
        penalty = np.repeat((doubled / (C * total))[:, None], turned.shape[2] + 1, axis=1)
        penalty[:, -1] = 0
        curvature = np.concatenate([spread**2, np.ones((len(spread), 1))], axis=1)
        softness = 1 / (0.1 * curvature[..., None] + penalty)
        return _Problem(
            np.concatenate([turned, one], axis=2).astype(np.float32),
            codes,
            (weights / total[..., None]).astype(np.float32),
            penalty[:, :, None].astype(np.float32),
            softness[:, :, None].astype(np.float32),
            np.where(is_there, 0, ABSENT).transpose(0, 2, 1).astype(np.float32),
        )

    def where(self, kept: Bool[ndarray, " problem"]) -> "_Problem":
        """Some of the problems."""
        parts = (self.penalty, self.softness, self.absent)
        return _Problem(
            self.values,
            self.codes,
            np.compress(kept, self.weights, axis=1),
            *(np.compress(kept, part, axis=-1) for part in parts),
        )

    def scores(self, x: Coefficients) -> Float[ndarray, "matrix label problem example"]:
        """Log odds of every example; examples last, so that sums over labels run along whole rows of memory."""
        flat = x.reshape(*x.shape[:2], -1).transpose(0, 2, 1) @ self.values.transpose(0, 2, 1)
        return flat.reshape(len(x), *x.shape[2:], -1) + self.absent[..., None]

    def value_and_slope(self, x: Coefficients) -> tuple[OfProblem, Coefficients]:
        """The loss of each problem, and how it changes with each coefficient."""
        chance = self.scores(x)
        chance -= chance.max(axis=1, keepdims=True)
        at = np.arange(len(self.codes))
        own = chance[:, self.codes, :, at].transpose(1, 2, 0)
        np.exp(chance, out=chance)
        total = chance.sum(axis=1)
        value = ((np.log(total) - own) * self.weights).sum(axis=2, dtype=np.float64)
        chance *= (self.weights / total)[:, None]
        chance[:, self.codes, :, at] -= self.weights.transpose(2, 0, 1)
        slope = chance.reshape(len(x), -1, len(at)) @ self.values
        pull = self.penalty * x
        return value + 0.5 * _dot(pull, x), slope.transpose(0, 2, 1).reshape(x.shape) + pull


def _turned(
    values: Float[ndarray, "matrix example dim"],
) -> tuple[Float[ndarray, "matrix example _"], Float[ndarray, "matrix _"]]:
    """The same inner products on principal axes, and the root mean square along each: a penalty on lengths sees no rotation."""
    n, n_dim = values.shape[1:]
    if n_dim > n:
        wide = values.astype(np.float64)  # small roots of a product of single precision are noise
        square, left = np.linalg.eigh(wide @ wide.transpose(0, 2, 1))
        spread = np.sqrt(np.maximum(square, 0))
        return left * spread[:, None], spread / np.sqrt(n)
    # Folds are parts of the same vectors: one set of axes is near enough to that of each.
    _, axes = np.linalg.eigh((values.transpose(0, 2, 1) @ values).sum(axis=0))
    turned = values @ axes
    return turned, np.sqrt((turned**2).mean(axis=1))


# Called a dozen times a step: shapes are not checked here, which would take longer than the sums.
def _dot(a: ndarray, b: ndarray) -> ndarray:
    return np.einsum("mdlp,mdlp->mp", a, b).astype(np.float64)


def _times(scale: ndarray, x: ndarray) -> ndarray:
    return scale[:, None, None].astype(np.float32) * x


def _minimise(problem: _Problem) -> Coefficients:
    n_matrices, _, n_dim = problem.values.shape
    n_labels, n_problems = problem.absent.shape[1:]
    found = np.zeros((n_matrices, n_dim, n_labels, n_problems), dtype=np.float32)
    at = np.arange(n_problems)
    x = found.copy()
    value, slope = problem.value_and_slope(x)
    past: list[tuple[Coefficients, Coefficients, OfProblem]] = []
    for _ in range(MOST_STEPS):
        is_done = np.abs(slope).max(axis=(1, 2)) <= TOLERANCE
        kept = ~is_done.all(axis=0)
        if not kept.all():
            found[..., at[~kept]] = x[..., ~kept]
            if not kept.any():
                return found
            at, problem = at[kept], problem.where(kept)
            x, slope, value, is_done = (np.compress(kept, part, axis=-1) for part in (x, slope, value, is_done))  # fmt: skip
            past = [tuple(np.compress(kept, part, axis=-1) for part in step) for step in past]  # pyright: ignore[reportAssignmentType]
        step = _times(np.where(is_done, 0.0, -1.0), _newton_like(problem, slope, past))
        x_new, value_new, slope_new = _searched(problem, x, value, slope, step)
        s, y = x_new - x, slope_new - slope
        curve = _dot(s, y)
        inverse = np.divide(1.0, curve, out=np.zeros_like(curve), where=curve > 0)
        past = [*past[1 - MEMORY :], (s, y, inverse)]
        is_stuck = (np.abs(s).max(axis=(1, 2)) == 0) | is_done
        x, value, slope = x_new, value_new, slope_new
        if is_stuck.all():  # numbers are not precise enough to go on
            break
    found[..., at] = x
    return found


def _newton_like(
    problem: _Problem,
    slope: Coefficients,
    past: list[tuple[Coefficients, Coefficients, OfProblem]],
) -> Coefficients:
    """The two loops of L-BFGS: the slope times an estimate of the inverse curvature."""
    q = slope.copy()
    shares: list[OfProblem] = []
    for s, y, inverse in reversed(past):
        share = inverse * _dot(s, q)
        q -= _times(share, y)
        shares.append(share)
    q *= problem.softness
    if past:
        _, y, inverse = past[-1]
        length = inverse * _dot(y, problem.softness * y)
        q = _times(np.divide(1.0, length, out=np.ones_like(length), where=length > 0), q)
    for (s, y, inverse), share in zip(past, reversed(shares), strict=True):
        q += _times(share - inverse * _dot(y, q), s)
    return q


def _searched(
    problem: _Problem, x: Coefficients, value: OfProblem, slope: Coefficients, step: Coefficients
) -> tuple[Coefficients, OfProblem, Coefficients]:
    """Goes along a step, half as far for the problems whose loss does not fall, and nowhere if it never does."""
    descent = _dot(slope, step)
    length = np.ones_like(value)
    falls = np.zeros(value.shape, dtype=bool)
    for _ in range(MOST_HALVINGS):
        tried = x + _times(length, step)
        value_new, slope_new = problem.value_and_slope(tried)
        falls = value_new <= value + 1e-4 * length * descent + ROUNDING * np.abs(value)
        if falls.all():
            return tried, value_new, slope_new
        length = np.where(falls, length, length / 2)
    tried = x + _times(np.where(falls, length, 0.0), step)
    return tried, *problem.value_and_slope(tried)
