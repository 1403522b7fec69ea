"""Turn a student into an artifact of one format; the pipeline calls `packager.export.isolated.convert`.

Converters are imported where they are used: they bring TensorFlow and coremltools.
"""
