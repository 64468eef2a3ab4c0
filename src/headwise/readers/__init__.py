"""One file per format that a `Suite` can be read from."""
