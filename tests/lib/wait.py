"""Tests do not sleep: they wait for a condition, with a deadline."""
from host import wait_until

__all__ = ["wait_until"]
