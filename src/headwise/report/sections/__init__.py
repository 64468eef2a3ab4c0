"""Results of tests as figures, tables and sentences of a report."""
