"""Gas of every operation with a bar, measured on Anvil; see `run.py` and docs/gas.md."""
