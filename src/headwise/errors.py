"""Errors for users: one family, `HeadwiseError`."""


class HeadwiseError(Exception):
    """An input that cannot be used.

    The message names the rule, the expected and the actual value, and the next step; the command line prints it without a traceback.
    """

    def __str__(self) -> str:
        """The message as it is; `KeyError` would put it in quotes."""
        return str(self.args[0]) if self.args else ""


class UnknownName(HeadwiseError, KeyError):
    """A site, layer, head, metric, method, label, relation, suite or model that does not exist."""


class BadSuite(HeadwiseError, ValueError):
    """Sentences that cannot be read, or that a test cannot use."""


class UnsupportedModel(HeadwiseError):
    """A model whose heads cannot be separated, or that lacks what a function needs."""


class OverBudget(HeadwiseError, MemoryError):
    """More memory would be needed than was allowed."""
