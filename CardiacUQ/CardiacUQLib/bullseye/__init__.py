"""The bull's-eye of the 17 segments: what it shows on which scale, and its picture as pixels."""
