"""Executable specification of the contracts: pure integers, no I/O, bit for bit."""
