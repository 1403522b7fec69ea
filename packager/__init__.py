"""Folds a server weather model into variants that fit a phone.

Distil, compress, export, verify, bundle.
"""

import os

# The Model Optimization Toolkit works on tf_keras only; TensorFlow reads this when it is first imported.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
