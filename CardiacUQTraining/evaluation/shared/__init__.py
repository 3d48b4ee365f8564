"""What both kinds of evaluation use: predictions, metrics, statistics, kept cases, Markdown."""
