"""What the passes know about a case as a whole: how good, how sure, how usual, and where to look first."""
