"""The one family of errors that a user of Headwise is meant to see."""


class HeadwiseError(Exception):
    """Something the user gave cannot be used.

    The message names the rule, what was expected, what was got and what to do next; it is printed
    as it is, without a traceback, by the command line.
    """

    def __str__(self) -> str:
        """The message as it is; `KeyError` would put it in quotes."""
        return str(self.args[0]) if self.args else ""


class UnknownName(HeadwiseError, KeyError):
    """A site, layer, head, metric, method, label, relation, suite or model that is not there."""


class BadSuite(HeadwiseError, ValueError):
    """Sentences that cannot be read, or that a test cannot use."""


class UnsupportedModel(HeadwiseError):
    """A model whose heads cannot be told apart, or that lacks what is asked of it."""


class OverBudget(HeadwiseError, MemoryError):
    """More memory would be needed than was allowed."""
