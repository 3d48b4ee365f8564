"""Fixtures of this area; their code has a name of its own so that tests may import from it."""

from cohort_fixtures import mounted, scans

__all__ = ["mounted", "scans"]
