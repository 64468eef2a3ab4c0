"""What several test files share: models made by hand, computations by hand, reports, a browser."""
