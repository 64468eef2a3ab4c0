"""What is written into the residual stream, and by what."""
