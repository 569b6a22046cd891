"""The demonstration: a whole house on a forked chain, a crash replayed, every identity checked.

`plimsoll.demo.command.run` is what `ape run demo` calls. Nothing is imported here.
"""
