"""Cohorts: many scans through one bundle or several, on one machine or a cluster, with a record of each."""
