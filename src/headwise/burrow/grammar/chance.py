"""Random choices with their surprisal.

Everything that the grammar decides is drawn here. A choice among `n` has a surprisal of `log n` nats, which is charged to the next word that is
written. A hidden state (the sense of a word, a gender, the murderer) is charged once, where the text begins to reveal it; words that follow from it
are charged only for what is still open when it is known. The sum over a text is its surprisal given the grammar and the hidden state: the oracle.
"""

import math
import random
from collections.abc import Callable, Sequence
from typing import TypeVar

Option = TypeVar("Option")


class Chance:
    """A seeded source of choices.

    Attributes:
        owed: Nats of the choices since a word was last written.
    """

    def __init__(self, seed: int | str):
        self._random = random.Random(seed)
        self.owed = 0.0

    def settle(self) -> float:
        """What is owed, which from now on is paid."""
        paid, self.owed = self.owed, 0.0
        return paid

    def pick(self, options: Sequence[Option], among: int = 0) -> Option:
        """One of several, all equally likely.

        Args:
            options: What may be drawn.
            among: How many there are for a reader who does not know which are held out, if that is more.
        """
        self.owed += math.log(among or len(options))
        return self.hidden(options)

    def hidden(self, options: Sequence[Option]) -> Option:
        """One of several, without a charge: part of the hidden state."""
        return options[int(self._random.random() * len(options))]

    def number(self, weights: Sequence[float]) -> int:
        """An index, as likely as its weight; weights sum to 1."""
        rest, index = self._random.random(), 0
        while index < len(weights) - 1 and rest >= weights[index]:
            rest -= weights[index]
            index += 1
        self.owed -= math.log(weights[index])
        return index

    def happens(self, probability: float) -> bool:
        """Whether something of a given probability happens."""
        return self.number((probability, 1 - probability)) == 0

    def sample(self, options: Sequence[Option], n: int) -> list[Option]:
        """Several different ones, in random order."""
        self.owed += sum(math.log(len(options) - taken) for taken in range(n))
        return self._random.sample(options, n)

    def subset(self, options: Sequence[Option], n: int, among: int = 0) -> list[Option]:
        """Several different ones without an order; `among` as in `pick`."""
        self.owed += math.log(math.comb(among or len(options), n))
        return self._random.sample(options, n)

    def sample_hidden(self, options: Sequence[Option], n: int) -> list[Option]:
        """Several different ones in random order, without a charge."""
        return self._random.sample(options, n)

    def charge(self, n_options: int) -> None:
        """Charges for a choice that was drawn before as part of the plan and is revealed only now."""
        self.owed += math.log(n_options)

    def until(self, draw: Callable[[], Option], accept: Callable[[Option], bool]) -> Option:
        """Draws until a draw is accepted; only the last one is owed for."""
        owed = self.owed
        while not accept(drawn := draw()):
            self.owed = owed
        return drawn
