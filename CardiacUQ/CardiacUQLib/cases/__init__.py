"""Case folders: the one meeting point of command line, Slicer and browser."""
