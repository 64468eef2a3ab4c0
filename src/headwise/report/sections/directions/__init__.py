"""Sections of steps and contributions: what moves words, and where to."""
