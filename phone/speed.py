"""How fast this device is: it runs the model and looks at the clock.

A class decides which variant fits, so it is measured once for a contract and kept: a class that changed with
the variant would make the phone go back and forth between two of them.
"""

from collections.abc import Mapping
from statistics import median

from phone.bundle import PhoneBundle
from phone.choice import PerfClass
from phone.model import Model, decode_inputs
from phone.notes import read_note, write_note
from phone.state import State

NAME = "speed.json"
RUNS = 9
# A forecast runs the model for up to four stations: nobody notices the first, everybody the second.
HIGH_BELOW_MS, LOW_ABOVE_MS = 5.0, 50.0


def known_class(state: State) -> PerfClass | None:
    """The class that was measured, if one was."""
    kept = read_note(state.notes / NAME).get("perf_class")
    return kept if kept in {"low", "mid", "high"} else None


def measure(state: State, sha256: str, bundle: PhoneBundle) -> Mapping[str, object]:
    """The class, the time behind it and the bundle that was run; measured if the contract is a new one."""
    contract = bundle.manifest["contract"]["sha256"]
    kept = read_note(state.notes / NAME)
    if kept.get("contract") == contract and known_class(state):
        return kept
    milliseconds = inference_milliseconds(bundle)
    made = {
        "perf_class": class_of(milliseconds),
        "milliseconds": round(milliseconds, 3),
        "contract": contract,
        "bundle": sha256,
    }
    write_note(state.notes / NAME, made)
    return made


def inference_milliseconds(bundle: PhoneBundle) -> float:
    """The median time of a run on one thread; the first run, which warms up, is not counted."""
    model = Model(bundle.model, bundle.contract)
    case = {name: value[:1] for name, value in decode_inputs(bundle.golden, bundle.contract).items()}
    for _ in range(RUNS + 1):
        model.run(case)
    return median(model.milliseconds[1:])


def class_of(milliseconds: float) -> PerfClass:
    """The performance class of a time."""
    if milliseconds < HIGH_BELOW_MS:
        return "high"
    return "low" if milliseconds > LOW_ABOVE_MS else "mid"
