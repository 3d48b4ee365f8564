"""Measuring segmentations and uncertainty maps against labelled cases, and fitting what is measured.

``lge`` judges the cascade, ``cine`` the ensemble; both stand on ``shared``, neither on the other.
"""
