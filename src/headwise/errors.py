"""The one family of errors that a user of Headwise is meant to see."""


class HeadwiseError(Exception):
    """Something the user gave cannot be used.

    The message names the rule, what was expected, what was got and what to do next; it is printed
    as it is, without a traceback, by the command line.
    """
