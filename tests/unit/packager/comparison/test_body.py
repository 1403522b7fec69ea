"""A model can be cut around its body and put together again."""

import numpy as np

from packager.comparison.body import body_of
from tests.students import CONTRACT, expected, small_student, weather


def test_the_parts_together_give_what_the_whole_gives():
    parts = body_of(small_student())
    outputs = parts.around(parts.model)(weather(3))
    assert set(outputs) == {spec.name for spec in CONTRACT.outputs}
    for name, values in outputs.items():
        np.testing.assert_allclose(values.numpy(), expected(3)[name], rtol=1e-5, atol=1e-4)


def test_all_that_is_learned_is_in_the_body_and_all_of_it_is_stock():
    whole = small_student()
    parts = body_of(whole)
    learned = sum(np.prod(weight.shape) for weight in whole.trainable_weights)
    assert sum(np.prod(weight.shape) for weight in parts.around(parts.model).trainable_weights) == learned
    assert not parts.before.trainable_weights
    assert not parts.behind.trainable_weights
    assert all(layer.name.startswith(("body_", "input")) for layer in parts.model.layers if layer.weights)
