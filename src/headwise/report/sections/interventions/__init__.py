"""Sections of ablation, patching and steering."""
