"""Details of a card as the packager measures them, small and made up."""

from typing import Any

LOSS = {
    "loss_percent": 0.79,
    "interval": {"low": 0.31, "high": 1.27, "blocks": 40},
    "outputs": {"temperature": 1.5, "dew_point": -0.004},
    "extremes": {"wind": 2.25, "frost": None},
    "stations": {"a": 0.9, "b": 0.6},
    "seasons": {"winter": 1.0},
    "buckets": {"1-6": 0.4},
}
OWN, TEACHER = "this bundle", "teacher"


def group(own: float | None, **beside: float) -> dict[str, Any]:
    """A group in which temperature alone was scored."""
    scores = beside if own is None else {OWN: own, **beside}
    return {"cases": 50, "scores": {"temperature": scores, "precipitation_type": {}}}


def part(percent: float | None, **outputs: float) -> dict[str, Any]:
    """The importance of one part of the inputs."""
    return {"percent": percent, "spread": None if percent is None else 0.5, "outputs": outputs}


def layer(name: str, loss: float | None, **more: Any) -> dict[str, Any]:
    """One row of the layers."""
    errors = {"weight_error": 0.004, "output_error": 0.006} if loss is not None else {}
    return {
        "layer": name, "weights": 1024, "zeros": 0.5, "values": 16, "moved": None, "weight_error": None,
        "output_error": None, "loss_percent": loss, **errors, **more,
    }  # fmt: skip


def station(identifier: str, name: str, *, held_out: bool) -> dict[str, Any]:
    """One station of the data."""
    return {
        "id": identifier, "name": name, "source": "NREL TMY3", "kind": "tmy", "hours": 8760,
        "held_out": held_out,
    }  # fmt: skip


def details(**parts: Any) -> dict[str, Any]:
    """Whole details; give what a test cares about."""
    bins = [
        {"forecast": 0.05, "observed": 0.04, "hours": 900},
        {"forecast": 0.55, "observed": 0.4, "hours": 100},
    ]
    reliability = {
        "precipitation_probability": {"hours": 1000, "bins": bins},
        "temperature": {"hours": 1000, "levels": [0.1, 0.9], "observed": [0.12, 0.85]},
        "ceiling below 300 m": {"hours": 1000, "bins": bins},
    }
    groups = {
        "lead": {"1-6": group(1.0, teacher=0.9, ridge=2.0, persistence=3.0)},
        "season": {"winter": group(2.2, teacher=2.1, ridge=2.0), "summer": group(1.9, ridge=2.0)},
        "station": {"a": group(1.0, teacher=0.9, ridge=1.5), "b": group(None, ridge=1.5)},
    }
    known: dict[str, Any] = {
        "variant": "tflite_fp16",
        "bundle": {"sha256": "5" * 64, "bytes": 204800, "bytes_on_wire": 102400},
        "limits_missed": "",
        "data": {
            "first_day": "2013-01-01",
            "last_day": "2013-12-31",
            "stations": [
                station("a", "Oklahoma City", held_out=True),
                station("b", "Chicago", held_out=False),
            ],
            "dropped": {"range": 12},
            "windows": {"train": 100},
            "outputs_without_targets": [],
        },
        "cost": {
            "teacher_parameters": 100_000,
            "student_parameters": 1000,
            "microseconds": 12.34,
            "peak_memory_kib": 4280,
        },
        "groups": {"unseen_period": groups, "unseen_station": groups},
        "against_teacher": {"unseen_period": LOSS, "unseen_station": LOSS},
        "reliability": {OWN: reliability, TEACHER: reliability},
        "stages": [
            {"stage": "distilled", "parameters": 2000, "loss_percent": 0.25},
            {"stage": "prune_structure", "parameters": 1000, "loss_percent": 0.7},
            {"stage": "export", "parameters": 1000, "loss_percent": 0.79},
        ],
        "layers": {
            "cases": 400,
            "all_weights_percent": 0.0625,
            "layers": [layer("body_a", 0.05, moved=0.25), layer("body_b", None)],
        },
        "importance": {
            "cases": 400,
            "stations": 4,
            "repeats": 3,
            "models": {
                TEACHER: {
                    "history temperature": part(30.0, temperature=90.0), "site": part(5.0, temperature=6.0)
                },
                OWN: {
                    "site": part(1.5, temperature=2.0), "clock": part(None),
                    "history temperature": part(40.0, temperature=120.0, wind=3.0),
                },
            },
        },
    }  # fmt: skip
    return known | parts
