"""Load TensorFlow without its notes to its own developers, which no setting turns off."""

import logging
import os
import sys


def load_tensorflow() -> None:
    """Import TensorFlow and look for devices while standard error goes nowhere.

    An import that fails raises as usual.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import tensorflow as tf
        import tf_keras

        tf.config.list_physical_devices()
        tf_keras.backend.clear_session()
        # Many small models are compiled on purpose: its advice on retracing helps nobody here.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)
