"""Minimal pairs that others bring: rows, BLiMP paradigms, SyntaxGym suites."""
