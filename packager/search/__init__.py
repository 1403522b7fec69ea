"""Search for an architecture and a recipe together: many short trials, then the best one built in full.

Nothing is imported here: the web process reads names of this package and never pays for Optuna.
"""
