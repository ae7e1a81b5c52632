"""The command line: the only place that wires parts together."""

import gc

#: Objects made between two searches for cycles. Searching after each 700, as Python does, takes 2 ms while modules load.
gc.set_threshold(50_000)
