"""``python -m CardiacUQTraining.cli``: the same as the ``cardiacuq`` command."""

import sys

from .app import main

sys.exit(main())
