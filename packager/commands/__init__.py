"""Commands of `python -m packager` that have a module of their own."""
