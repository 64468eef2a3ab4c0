"""Sections of single heads: their evidence, their cards and sentences with their attention."""
