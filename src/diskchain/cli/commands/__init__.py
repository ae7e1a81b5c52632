"""One module per verb, each with ``EXAMPLE``, ``add_arguments(parser)`` and ``run(args) -> exit code``. They do not know each other."""
