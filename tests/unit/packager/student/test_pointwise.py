"""In training, layers that all leads share are matrix products: the same numbers, the same gradients."""

import numpy as np
import tensorflow as tf
import tf_keras

from packager.student.pointwise import pointwise_as_products


def small_model():
    tf_keras.utils.set_random_seed(2)
    values = tf_keras.Input((6, 1, 5))
    x = tf_keras.layers.Conv2D(4, (3, 1), padding="same", name="wide")(values)
    y = tf_keras.layers.Conv2D(7, 1, activation="relu", name="point")(x)
    return tf_keras.Model(values, tf_keras.layers.Conv2D(3, 1, strides=(2, 1), name="strided")(y))


def traced(model, values):
    @tf.function
    def run(values):
        with tf.GradientTape() as tape:
            outputs = model(values)
            total = tf.reduce_sum(outputs**2)
        return outputs, tape.gradient(total, model.trainable_weights)

    outputs, slopes = run(values)
    names = {node.op for node in run.get_concrete_function(values).graph.as_graph_def().node}
    return [outputs.numpy(), *[slope.numpy() for slope in slopes]], names


def test_outputs_and_gradients_are_those_of_the_convolution():
    model, values = small_model(), tf.constant(np.random.default_rng(1).normal(size=(9, 6, 1, 5)), tf.float32)
    plain, plain_operations = traced(model, values)
    with pointwise_as_products(model):
        products, operations = traced(model, values)
    for before, after in zip(plain, products, strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-5)
    assert "MatMul" in operations
    assert "MatMul" not in plain_operations


def test_afterwards_convolutions_are_convolutions_again():
    model, values = small_model(), tf.zeros((2, 6, 1, 5))
    with pointwise_as_products(model):
        pass
    assert "MatMul" not in traced(model, values)[1]
