import numpy as np
import pytest

from bench import prototype
from packager.contract import reference_contract
from packager.dataset import splits
from packager.dataset.reference import load_reference
from packager.student.lead_decoder import parameter_count
from packager.student.normalisation import measure_normalisation
from packager.student.training import predict
from tests.students import weather

CONTRACT = reference_contract()
NORMALISATION = measure_normalisation(weather(300, seed=9), CONTRACT)


def test_with_the_leak_no_station_counts_as_a_held_out_ones_neighbour():
    dataset = load_reference()
    newark = [station.id for station in dataset.stations].index("nyc-EWR")
    with prototype.neighbours_train(True):
        assert not len(splits.held_out_neighbours(dataset, newark))
    with prototype.neighbours_train(False):
        assert len(splits.held_out_neighbours(dataset, newark)) == 1


def test_the_rebuilt_prototype_has_its_size_and_the_contracts_outputs():
    model = prototype.build_prototype(CONTRACT, NORMALISATION, seed=1)

    # 462,388 were recorded, for one day of leads.
    assert parameter_count(model) == pytest.approx(462_388, rel=0.15)
    outputs = predict(model, weather(2))
    assert {name: values.shape[1:] for name, values in outputs.items()} == {
        spec.name: spec.shape[1:] for spec in CONTRACT.outputs
    }


def test_only_the_leads_that_the_prototype_had_count():
    errors = np.ones((2, 48))
    errors[:, 24:] = 9.0
    errors[0, 0] = np.nan
    assert prototype.mean(errors) == 1.0
