"""`python -m headwise.cli` is `headwise`."""

from .main import main

main()
