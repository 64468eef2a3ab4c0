"""The command line: analyses found, run and written as reports."""
