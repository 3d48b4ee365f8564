"""CardiacUQ without Slicer: data sets, training, evaluation, cohorts and the ``cardiacuq`` command."""
