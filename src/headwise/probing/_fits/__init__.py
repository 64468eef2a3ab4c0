"""Many fits of one task: classifiers, code lengths and control tasks."""
