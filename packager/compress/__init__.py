"""Steps that make a model smaller: each takes a student and gives a student."""
