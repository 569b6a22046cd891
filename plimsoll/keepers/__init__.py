"""Keepers: programs that anybody may run, on state read anew each time. See docs/keepers.md."""
