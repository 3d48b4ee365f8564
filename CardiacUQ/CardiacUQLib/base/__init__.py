"""What every room stands on: errors and exit codes, progress, files, JSON. Imports nothing of ours."""
