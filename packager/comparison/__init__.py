"""Recipes side by side on one teacher and one dataset, beside what stock tools make of the same models."""
