"""Measuring segmentations and uncertainty maps against labelled cases, and fitting what is measured."""
