"""``python -m CardiacUQTraining.cli``: the same as the ``cardiacuq`` command."""

from .app import program

program()
