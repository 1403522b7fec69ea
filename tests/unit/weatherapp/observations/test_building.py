from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from packager.contract import contract_with_guidance, reference_contract
from packager.dataset import NO_CEILING, load_reference, make_windows, quality_control, read_dataset
from packager.dataset.splits import Split
from packager.recipes import get_profile
from packager.stages import LEAST_WINDOWS, TeacherStages
from weatherapp.observations import archive, services
from weatherapp.observations.building import Wanted, build_dataset
from weatherapp.observations.errors import DatasetNotWritten, NothingToBuild, StationUnknown
from weatherapp.observations.feeds.replay import Replay, ReplayFeed
from weatherapp.observations.models import Guidance, Observation, Station
from weatherapp.observations.standing import hour_of

START = datetime(2026, 7, 1, tzinfo=UTC)
EVER = Wanted(first=datetime(1970, 1, 1, tzinfo=UTC), last=datetime(2030, 1, 1, tzinfo=UTC))
pytestmark = pytest.mark.django_db


def make_station(code="x", **given):
    told = {"name": code.upper(), "latitude": 45.0, "longitude": 5.0, "elevation": 120.0, "source": "test"}
    return Station.objects.create(code=code, **(told | given))


def report(station, hour, temperature=12.3, **given):
    time = START + timedelta(hours=hour)
    return Observation(
        station=station, valid_time=time, feed="test", received=time, temperature=temperature, **given
    )


def guide(station, *, init, valid, available, temperature, source="gfs"):
    return Guidance.objects.create(
        station=station,
        source=source,
        init_time=START + timedelta(hours=init),
        valid_time=START + timedelta(hours=valid),
        available_time=START + timedelta(hours=available),
        temperature=temperature,
    )


@pytest.fixture
def out(tmp_path):
    return tmp_path / "mine.parquet"


@pytest.fixture
def months(tmp_path):
    return tmp_path / "archive"


@pytest.fixture
def station():
    return make_station()


def wanted(**given):
    return Wanted(**({"first": EVER.first, "last": EVER.last} | given))


def test_reports_become_rows_of_the_dataset(station, out, months):
    told = {"dew_point": 8.0, "precipitation": 0.4, "cloud_base": NO_CEILING, "visibility": 50_000.0}
    Observation.objects.bulk_create([report(station, hour, 10.0 + hour, **told) for hour in range(3)])
    built = build_dataset(out=out, wanted=EVER, archive=months)
    dataset = read_dataset(out)
    assert (built.stations, built.hours, built.guidance) == (1, 3, 0)
    assert (built.first, built.last) == (START, START + timedelta(hours=2))
    assert built.missing["temperature"] == 0
    assert built.missing["pressure_msl"] == 1
    assert dataset.stations[0].id == "x"
    assert dataset.column("temperature").tolist() == [10.0, 11.0, 12.0]
    assert dataset.hour.tolist() == [hour_of(START) + hour for hour in range(3)]
    assert dataset.column("cloud_base").tolist() == [NO_CEILING] * 3
    assert dataset.column("visibility").max() == pytest.approx(16_090)  # as everywhere in a dataset
    assert dataset.guidance is None


def test_segments_end_at_gaps_and_where_the_series_changes(station, out, months):
    rows = [report(station, hour, series=0 if hour < 2 else 1) for hour in (0, 1, 2, 3, 5)]
    Observation.objects.bulk_create(rows)
    build_dataset(out=out, wanted=EVER, archive=months)
    assert read_dataset(out).segment.tolist() == [0, 0, 1, 1, 2]


def test_present_weather_labels_what_fell_and_the_wet_bulb_the_rest(station, out, months):
    told = {"dew_point": -6.0, "precipitation": 0.5}
    kinds = [0, 1, 2, 3, None, None]
    rows = [report(station, hour, -5.0, precipitation_type=kind, **told) for hour, kind in enumerate(kinds)]
    rows[0].precipitation = rows[5].precipitation = 0.0
    Observation.objects.bulk_create(rows)
    built = build_dataset(out=out, wanted=EVER, archive=months)
    dataset = read_dataset(out)
    assert dataset.precipitation_type.tolist() == [0, 1, 2, 3, 2, 0]
    assert dataset.precipitation_type_from.tolist() == [0, 0, 0, 0, 1, 1]
    assert built.labels["weather_code"] == {"none": 1, "rain": 1, "snow": 1, "mixed_or_freezing": 1}


def test_archived_months_count_too_and_the_database_is_newer(station, out, months):
    Observation.objects.bulk_create([report(station, hour, 10.0, dew_point=4.0) for hour in range(3)])
    archive.archive_months(before=START + timedelta(days=40), folder=months)
    Observation.objects.bulk_create([report(station, 1, 11.0), report(station, 24 * 40, 15.0)])
    build_dataset(out=out, wanted=EVER, archive=months)
    dataset = read_dataset(out)
    assert dataset.column("temperature").tolist() == [10.0, 11.0, 10.0, 15.0]
    assert dataset.column("dew_point")[:3].tolist() == [4.0, 4.0, 4.0]


def test_a_station_that_is_only_in_the_archive_is_still_known(station, out, months):
    Observation.objects.bulk_create([report(station, hour) for hour in range(3)])
    archive.archive_months(before=START + timedelta(days=40), folder=months)
    Station.objects.all().delete()
    assert build_dataset(out=out, wanted=wanted(stations=("x",)), archive=months).hours == 3


def test_stations_and_days_are_chosen(station, out, months):
    other = make_station("y")
    rows = [report(place, hour) for place in (station, other) for hour in range(72)]
    Observation.objects.bulk_create(rows)
    make_station("silent")
    call_command(
        "build_dataset",
        str(out),
        *("--since", "2026-07-02", "--until", "2026-07-02", "--stations", "y", "--archive", str(months)),
    )
    dataset = read_dataset(out)
    assert [place.id for place in dataset.stations] == ["y"]
    assert dataset.hour.tolist() == [hour_of(START) + hour for hour in range(24, 48)]
    build_dataset(out=out, wanted=EVER, archive=months)
    assert [place.id for place in read_dataset(out).stations] == ["x", "y"]  # the silent one has no rows


def test_the_same_rows_give_the_same_bytes(station, out, months):
    Observation.objects.bulk_create([report(station, hour) for hour in range(3)])
    contents = []
    for _ in range(2):
        build_dataset(out=out, wanted=EVER, archive=months)
        contents.append(out.read_bytes())
    assert contents[0] == contents[1]


def windows_with_guidance(out, init):
    """What the window of that init time, in hours after the start, sees of the coming 48 hours."""
    dataset = read_dataset(out)
    for split in Split:
        windows = make_windows(dataset, contract_with_guidance(), stride=1, split=split)
        at = np.flatnonzero(windows.init_hour == hour_of(START) + init)
        if len(at):
            seen = windows.inputs["guidance"][at[0], :, 0]
            return np.where(windows.inputs["guidance_mask"][at[0], :, 0] > 0, seen, np.nan)
    raise AssertionError


def test_no_window_sees_guidance_that_came_after_its_init_time(station, out, months):
    Observation.objects.bulk_create([report(station, hour, 10 + hour % 7) for hour in range(120)])
    guide(station, init=36, valid=60, available=42, temperature=1.0)
    guide(station, init=48, valid=60, available=53.1, temperature=2.0)  # five past the hour: known at 54
    built = build_dataset(out=out, wanted=wanted(guidance=True), archive=months)
    assert (built.guidance, built.source) == (2, "gfs")
    assert windows_with_guidance(out, 50)[9] == 1.0
    assert windows_with_guidance(out, 53)[6] == 1.0
    assert windows_with_guidance(out, 54)[5] == 2.0
    assert np.isnan(windows_with_guidance(out, 54)[6])
    early = windows_with_guidance(out, 47)  # the run of 48 had not begun
    assert early[12] == 1.0


def test_archived_guidance_counts_too(station, out, months):
    Observation.objects.bulk_create([report(station, hour) for hour in range(3)])
    guide(station, init=0, valid=1, available=1, temperature=1.0)
    archive.archive_months(before=START + timedelta(days=40), folder=months)
    guide(station, init=0, valid=1, available=2, temperature=2.0)
    guide(station, init=0, valid=2, available=1, temperature=3.0)
    build_dataset(out=out, wanted=wanted(guidance=True), archive=months)
    guidance = read_dataset(out).guidance
    assert guidance.values[:, 0].tolist() == [2.0, 3.0]
    assert (guidance.available_hour - hour_of(START)).tolist() == [2, 1]


def test_one_numerical_model_is_chosen_of_several(station, out, months):
    Observation.objects.bulk_create([report(station, hour) for hour in range(3)])
    for source, value in (("gfs", 1.0), ("icon", 2.0)):
        guide(station, init=0, valid=1, available=1, temperature=value, source=source)
    with pytest.raises(NothingToBuild, match=r"gfs \(1 rows\), icon \(1 rows\).*--guidance-source"):
        build_dataset(out=out, wanted=wanted(guidance=True), archive=months)
    assert not out.exists()
    build_dataset(out=out, wanted=wanted(guidance=True, source="icon"), archive=months)
    assert read_dataset(out).guidance.values[0, 0] == 2.0


def test_guidance_that_was_asked_for_and_is_not_there_is_an_error(station, out, months):
    Observation.objects.bulk_create([report(station, 0)])
    with pytest.raises(NothingToBuild, match="none at all"):
        build_dataset(out=out, wanted=wanted(guidance=True), archive=months)


def test_a_dataset_without_guidance_leaves_none_of_an_older_one_beside_it(station, out, months):
    Observation.objects.bulk_create([report(station, hour) for hour in range(3)])
    guide(station, init=0, valid=1, available=1, temperature=1.0)
    build_dataset(out=out, wanted=wanted(guidance=True), archive=months)
    build_dataset(out=out, wanted=EVER, archive=months)
    assert read_dataset(out).guidance is None


def test_nothing_half_written_when_writing_fails(station, out, months, monkeypatch):
    Observation.objects.bulk_create([report(station, hour) for hour in range(3)])
    guide(station, init=0, valid=1, available=1, temperature=1.0)
    build_dataset(out=out, wanted=wanted(guidance=True), archive=months)
    before = {path.name: path.read_bytes() for path in out.parent.iterdir()}

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("weatherapp.observations.building.write_guidance", full)
    with pytest.raises(DatasetNotWritten, match="No space left"):
        build_dataset(out=out, wanted=wanted(guidance=True), archive=months)
    assert {path.name: path.read_bytes() for path in out.parent.iterdir()} == before


def test_values_that_the_dataset_cannot_hold_are_an_error(station, out, months):
    Observation.objects.bulk_create([report(station, 0, 1e6)])
    with pytest.raises(DatasetNotWritten, match="temperature"):
        build_dataset(out=out, wanted=EVER, archive=months)
    assert not out.exists()


def test_no_reports_is_an_error_that_says_what_to_do(out, months):
    with pytest.raises(NothingToBuild, match=r"manage\.py ingest"):
        build_dataset(out=out, wanted=EVER, archive=months)


def test_an_unknown_station_is_named(station, out, months):
    with pytest.raises(StationUnknown, match="no station nowhere; 1 are known: x"):
        build_dataset(out=out, wanted=wanted(stations=("x", "nowhere")), archive=months)


@pytest.mark.parametrize("name", ["mine.csv", "mine.guidance.parquet", "nowhere/mine.parquet"])
def test_a_place_that_cannot_be_written_is_named(station, tmp_path, months, name):
    with pytest.raises(DatasetNotWritten, match=r"mine|nowhere"):
        build_dataset(out=tmp_path / name, wanted=EVER, archive=months)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--since", "July"), "--since is 'July'"),
        (("--since", "2026-07-02", "--until", "2026-07-01"), "is after --until"),
        (("--stations", "nowhere"), "no station nowhere"),
    ],
)
def test_the_command_refuses_with_a_sentence(station, out, months, options, said):
    with pytest.raises(CommandError, match=said) as caught:
        call_command("build_dataset", str(out), "--archive", str(months), *options)
    assert caught.value.returncode == 2
    assert not out.exists()


def test_the_command_sums_up(station, out, months, capsys):
    Observation.objects.bulk_create([report(station, hour, precipitation=0.0) for hour in range(4)])
    guide(station, init=0, valid=1, available=1, temperature=1.0)
    call_command("build_dataset", str(out), "--archive", str(months), "--with-guidance")
    told = capsys.readouterr().out
    assert "4 hours of 1 stations, 2026-07-01T00Z to 2026-07-01T03Z" in told
    assert "pressure_msl   100.0% missing" in told
    assert "guidance: 1 rows of gfs" in told
    assert f"python -m packager train --dataset {out}" in told


# The end of January stops training early, February trains, the end of March is an unseen period.
STRETCHES = ((datetime(2026, 1, 19, tzinfo=UTC), 24), (datetime(2026, 3, 19, tzinfo=UTC), 13))


def test_a_replay_becomes_a_dataset_with_windows_in_every_split(out, months, tmp_path):
    """From the feed through quality control and the database to the packager's first stage."""
    reference = quality_control(load_reference())[0]
    actual = [place.id for place in reference.stations if place.id.startswith("isd")]
    feed = ReplayFeed(reference)
    hours = np.concatenate(
        [np.arange(hour_of(first), hour_of(first) + 24 * days) for first, days in STRETCHES]
    )
    batch = feed.parse(Replay(reference, hours))
    chosen = np.isin([batch.stations[index].code for index in batch.station], actual)

    class Fixed:
        name = "replay"

        def fetch(self, *, now):
            return batch.take(chosen)

        def parse(self, raw):
            return raw

    stored = services.ingest(feed=Fixed(), now=datetime(2027, 6, 1, tzinfo=UTC))
    assert stored.new == chosen.sum() > 2000
    call_command("build_dataset", str(out), "--archive", str(months))
    stages = TeacherStages(tmp_path / "work", get_profile("demo"), dataset_file=out)
    counts = stages.data().facts["windows"]
    assert set(counts) == set(LEAST_WINDOWS)
    assert all(counts[split] >= least for split, least in LEAST_WINDOWS.items())
    assert reference_contract().digest == stages.contract.digest
