"""The reference phone: what an app does to keep a model and forecast with it. Written to be ported.

check → download → verify → activate → forecast. Standard library HTTP, numpy, zstandard and LiteRT; of this
project only `weatherapp.core`, which the server computes with as well.
"""
