"""One function per verb: typed arguments in, values out. No command line, no printing, no exit codes."""
