"""The project's tests. A package, so that no installed `tests` package can stand in front of it."""
