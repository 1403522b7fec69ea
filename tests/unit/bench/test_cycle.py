import pytest

from bench import cycle


def test_without_a_model_the_benchmark_says_how_to_make_one(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["cycle", "--bundle", str(tmp_path / "none.bundle")])
    assert cycle.main() == 2
    assert "make demo" in capsys.readouterr().err


@pytest.mark.parametrize(("seconds", "status"), [(9.0, 0), (61.0, 1)])
def test_the_report_names_every_part_and_holds_the_cycle_to_its_goal(capsys, seconds, status):
    measured = {"stations": 10_000, "parts": {"model": 3.4}, "seconds": seconds, "peak_mib": 464.0}
    assert cycle._report(measured, "sqlite:///x") == status
    shown = capsys.readouterr().out
    assert "10,000 stations, sqlite" in shown
    assert "model" in shown
    assert "goal: under 60 s" in shown
