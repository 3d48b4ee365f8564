"""The ``cardiacuq`` command: one file per subcommand, imported only when that subcommand runs."""
