"""One module per format, each with ``parse(window, *, full=False) -> ImageHeader``. They do not know each other."""
