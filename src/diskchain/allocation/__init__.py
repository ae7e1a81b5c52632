"""Who holds which bytes: tables → extents → a map of the chain; totals, cost, sharing and integrity. The only package that uses numpy."""

from diskchain.errors import MissingExtra


def need_numpy(purpose: str) -> None:
    """Raise MissingExtra, where numpy is not installed. Everything else in this package imports it."""
    try:
        import numpy as np  # noqa: F401
    except ImportError:
        raise MissingExtra("numpy", "map", purpose) from None
