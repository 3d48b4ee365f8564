"""Evaluation of the 2D-3D cascade on late enhancement: uncertainty methods, lesions, sizes, the page."""
