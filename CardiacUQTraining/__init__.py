"""The headless side: data sets, training, evaluation and the ``cardiacuq`` command."""
