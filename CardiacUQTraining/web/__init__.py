"""``cardiacuq review``: one page on this machine in which regions are looked at, decided and painted.

The page speaks to the same :mod:`CardiacUQLib.review` as the Slicer module; arrays and strokes travel in the
order of the case folder's files.
"""
