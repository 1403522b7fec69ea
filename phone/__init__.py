"""The reference phone: what an app does to keep a model and forecast with it. Written to be ported.

check → choose → download → verify → activate → forecast → report. Standard library HTTP, python-tuf, numpy,
zstandard, Brotli and LiteRT; of this project only `weatherapp.core`, which the server computes with as well.
"""
