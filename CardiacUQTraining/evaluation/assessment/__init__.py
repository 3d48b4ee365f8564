"""Fitting and measuring what is said about a case as a whole: presence, predicted Dice, verdict, likeness."""
