"""Moves: what every head adds to the residual stream, and along which directions."""
