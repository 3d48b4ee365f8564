"""Bull's-eyes of the 17 segments: areas and words for any pen, and their picture as pixels."""
