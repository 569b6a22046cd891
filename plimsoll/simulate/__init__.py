"""Stress runs: a seeded crowd of accounts and keepers on the real bytecode, through real crashes.

`plimsoll.simulate.command` is behind `ape run stress`; docs/replays.md has the results.
"""
