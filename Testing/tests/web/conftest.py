"""Fixtures of this area; their code has a name of its own so that tests may import from it."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "lib"))  # its cases with known corrections

from serving import browser, cohort, made_cohort, served

__all__ = ["browser", "cohort", "made_cohort", "served"]
