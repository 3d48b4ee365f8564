"""Fixtures of this area; their code has a name of its own so that tests may import from it."""

import sys
from pathlib import Path

from cohort_fixtures import mounted, scans

sys.path.append(str(Path(__file__).parents[1] / "evaluation"))  # its films with exact truth

__all__ = ["mounted", "scans"]
