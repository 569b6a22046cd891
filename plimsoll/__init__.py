"""Plimsoll: on-chain derivatives margin, its deployment, model, simulation and reports."""
