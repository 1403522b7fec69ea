import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command

from weatherapp.observations import archive, retention
from weatherapp.observations.archive import GUIDANCE, OBSERVATIONS
from weatherapp.observations.errors import ArchiveBusy, ArchiveUnusable
from weatherapp.observations.models import Guidance, Observation, Rejection, Station

JULY, AUGUST = datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 8, 1, tzinfo=UTC)
LATER = datetime(2026, 8, 20, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def stations():
    return [
        Station.objects.create(
            code=code, name=code.upper(), latitude=45.0, longitude=5.0, elevation=120.0, source="test"
        )
        for code in ("b", "a")
    ]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "archive"


def report(station, time, temperature=12.3, **given):
    told = {"feed": "test", "received": time, "temperature": temperature, **given}
    return Observation.objects.create(station=station, valid_time=time, **told)


def rows_of(folder, kind=OBSERVATIONS, first=JULY, last=LATER):
    return [row for table, _ in archive.archived(kind, folder, first, last) for row in table.to_pylist()]


def temperatures(folder):
    return {(row["station"], row["valid_time"].day): row["temperature"] for row in rows_of(folder)}


def test_whole_months_leave_the_database(stations, folder):
    for station in stations:
        for time in (JULY, JULY + timedelta(days=3), AUGUST - timedelta(hours=1), AUGUST):
            report(
                station, time, precipitation_type=2, cloud_base=20_000.0, series=7, corrected=True, revision=3
            )
    done = archive.archive_months(before=AUGUST + timedelta(days=2), folder=folder)
    assert [(month.path.name, month.rows, month.total) for month in done] == [
        ("observations-2026-07.parquet", 6, 6)
    ]
    assert set(Observation.objects.values_list("valid_time", flat=True)) == {AUGUST}
    rows = rows_of(folder)
    assert [row["station"] for row in rows[:2]] == ["a", "b"]
    assert rows[0] | {"received": None} == {
        "station": "a",
        "valid_time": JULY,
        "temperature": 12.3,
        "dew_point": None,
        "pressure_msl": None,
        "wind_u": None,
        "wind_v": None,
        "precipitation": None,
        "cloud_cover": None,
        "cloud_base": 20_000.0,
        "visibility": None,
        "precipitation_type": 2,
        "series": 7,
        "feed": "test",
        "received": None,
        "corrected": True,
        "revision": 3,
    }


def test_a_file_describes_its_stations_and_is_read_by_time(stations, folder):
    report(stations[1], JULY)
    report(stations[1], JULY + timedelta(days=9), 14.0)
    archive.archive_months(before=AUGUST, folder=folder)
    Station.objects.all().delete()
    ((table, described),) = archive.archived(OBSERVATIONS, folder, JULY + timedelta(days=9), LATER)
    assert table.column("temperature").to_pylist() == [14.0]
    assert described == {
        "a": {"name": "A", "latitude": 45.0, "longitude": 5.0, "elevation": 120.0, "source": "test"}
    }
    assert not list(archive.archived(OBSERVATIONS, folder, AUGUST, LATER))


def test_late_rows_join_the_archived_month(stations, folder):
    a, b = stations[1], stations[0]
    report(a, JULY, 10.0, dew_point=5.0)
    report(b, JULY, 11.0, corrected=True, feed="first")
    archive.archive_months(before=AUGUST, folder=folder)
    report(a, JULY, 10.5)
    report(b, JULY, 99.0)
    report(b, JULY + timedelta(days=1), 12.0)
    (done,) = archive.archive_months(before=AUGUST, folder=folder)
    assert (done.rows, done.total) == (3, 3)
    assert temperatures(folder) == {("a", 1): 10.5, ("b", 1): 11.0, ("b", 2): 12.0}
    assert rows_of(folder)[0]["dew_point"] == 5.0  # the late report did not say it
    assert rows_of(folder)[1]["feed"] == "first"  # a correction stands


def test_guidance_is_archived_with_its_times(stations, folder):
    told = {
        "station": stations[0],
        "source": "gfs",
        "init_time": JULY,
        "valid_time": JULY + timedelta(hours=6),
    }
    Guidance.objects.create(**told, available_time=JULY + timedelta(hours=4), temperature=15.0)
    archive.archive_months(before=AUGUST, folder=folder)
    Guidance.objects.create(**told, available_time=JULY + timedelta(hours=9), temperature=16.0)
    archive.archive_months(before=AUGUST, folder=folder)
    (row,) = rows_of(folder, GUIDANCE)
    assert (row["source"], row["init_time"], row["temperature"]) == ("gfs", JULY, 16.0)
    assert row["available_time"] == JULY + timedelta(hours=9)
    assert not Guidance.objects.exists()


class Killed(BaseException):
    """Nothing in the program expects it, as nothing expects a signal."""


def die(*_args, **_kwargs):
    raise Killed


STEPS = ["_stored", "_check_written", "_sync", "_delete"]


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_nothing_is_lost_and_the_next_run_finishes(stations, folder, monkeypatch, step):
    for day in range(3):
        report(stations[0], JULY + timedelta(days=day), float(day))
    with monkeypatch.context() as patched:
        patched.setattr(archive, step, die)
        with pytest.raises(Killed):
            archive.archive_months(before=AUGUST, folder=folder)
    assert Observation.objects.count() == 3
    archive.archive_months(before=AUGUST, folder=folder)
    assert temperatures(folder) == {("b", 1): 0.0, ("b", 2): 1.0, ("b", 3): 2.0}
    assert not Observation.objects.exists()
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "observations-2026-07.parquet"]


@pytest.mark.parametrize("step", STEPS)
def test_killed_while_late_rows_join_the_archived_ones_stay(stations, folder, monkeypatch, step):
    report(stations[0], JULY, 1.0)
    archive.archive_months(before=AUGUST, folder=folder)
    report(stations[0], JULY + timedelta(days=1), 2.0)
    with monkeypatch.context() as patched:
        patched.setattr(archive, step, die)
        with pytest.raises(Killed):
            archive.archive_months(before=AUGUST, folder=folder)
    assert temperatures(folder)["b", 1] == 1.0
    archive.archive_months(before=AUGUST, folder=folder)
    assert temperatures(folder) == {("b", 1): 1.0, ("b", 2): 2.0}


def test_killed_half_way_through_deleting(stations, folder, monkeypatch):
    for day in range(4):
        report(stations[0], JULY + timedelta(days=day), float(day))
    monkeypatch.setattr(archive, "ROWS_DELETED_AT_ONCE", 1)
    whole = archive._delete
    monkeypatch.setattr(archive, "_delete", lambda kind, rows: (whole(kind, rows[:2]), die()))
    with pytest.raises(Killed):
        archive.archive_months(before=AUGUST, folder=folder)
    assert Observation.objects.count() == 2
    monkeypatch.setattr(archive, "_delete", whole)
    archive.archive_months(before=AUGUST, folder=folder)
    assert len(temperatures(folder)) == 4
    assert not Observation.objects.exists()


def test_what_a_killed_process_left_is_removed(folder):
    """A real kill: the lock is free again, and the unfinished file goes."""
    folder.mkdir()
    script = (
        "import fcntl, os, signal, pathlib\n"
        f"folder = pathlib.Path({str(folder)!r})\n"
        "lock = (folder / '.lock').open('w'); fcntl.flock(lock, fcntl.LOCK_EX)\n"
        "(folder / 'observations-2026-07.parquet.unfinished').write_bytes(b'PAR1')\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL
    assert archive.archive_months(before=AUGUST, folder=folder) == []
    assert [path.name for path in folder.iterdir()] == [".lock"]


def test_a_row_that_changes_meanwhile_stays(stations, folder, monkeypatch):
    row = report(stations[0], JULY, 1.0)
    sync = archive._sync

    def change(path):
        Observation.objects.filter(pk=row.pk).update(temperature=2.0, revision=1)
        sync(path)

    monkeypatch.setattr(archive, "_sync", change)
    archive.archive_months(before=AUGUST, folder=folder)
    assert Observation.objects.get().temperature == 2.0
    monkeypatch.undo()
    archive.archive_months(before=AUGUST, folder=folder)
    assert temperatures(folder) == {("b", 1): 2.0}


def test_what_does_not_read_back_deletes_nothing(stations, folder, monkeypatch):
    report(stations[0], JULY)
    answers = iter(["what was written", "what was read"])
    monkeypatch.setattr(archive, "_digest", lambda table: next(answers))
    with pytest.raises(ArchiveUnusable, match="does not read back"):
        archive.archive_months(before=AUGUST, folder=folder)
    assert Observation.objects.count() == 1
    assert [path.name for path in folder.iterdir()] == [".lock"]


def test_two_at_once_are_refused(stations, folder):
    with archive._alone(folder), pytest.raises(ArchiveBusy, match="Another process"):
        archive.archive_months(before=AUGUST, folder=folder)


def test_a_damaged_file_is_named_and_nothing_is_deleted(stations, folder):
    report(stations[0], JULY)
    folder.mkdir()
    (folder / "observations-2026-07.parquet").write_bytes(b"PAR1 half a file")
    with pytest.raises(ArchiveUnusable, match=r"observations-2026-07\.parquet.*backup"):
        archive.archive_months(before=AUGUST, folder=folder)
    assert Observation.objects.count() == 1


def test_a_folder_that_cannot_be_made_is_named(stations, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArchiveUnusable, match="ARCHIVE_DIR"):
        archive.archive_months(before=AUGUST, folder=tmp_path / "file" / "archive")


def test_files_are_compressed_with_zstd(stations, folder):
    report(stations[0], JULY)
    (done,) = archive.archive_months(before=AUGUST, folder=folder)
    assert pq.ParquetFile(done.path).metadata.row_group(0).column(2).compression == "ZSTD"


def test_old_refusals_are_forgotten(settings, stations):
    settings.REJECTIONS_KEPT_DAYS = 30
    now = datetime.now(UTC)
    for days in (31, 29):
        Rejection.objects.create(
            feed="test", check_name="jump", received=now - timedelta(days=days), digest=str(days)
        )
    assert retention.forget_rejections() == 1
    assert Rejection.objects.get().digest == "29"


def test_the_limits_are_the_settings(settings, stations, folder):
    settings.OBSERVATIONS_KEPT_DAYS, settings.ARCHIVE_DIR = 100, folder
    old, recent = (datetime.now(UTC) - timedelta(days=days) for days in (140, 60))
    for time in (old, recent):
        report(stations[0], time.replace(minute=0, second=0, microsecond=0))
    retention.keep_to_limits()
    assert Observation.objects.count() == 1
    assert [path.name for path in folder.glob("*.parquet")] == [f"observations-{old:%Y-%m}.parquet"]


def test_the_command_says_what_it_moved(stations, folder, capsys):
    report(stations[0], JULY)
    call_command("archive_observations", "--before", "2026-08", "--folder", str(folder))
    told = capsys.readouterr().out
    assert "observations-2026-07.parquet: 1 rows moved, 1 in the file" in told
    assert "1 files written for months before 2026-08-01" in told


@pytest.mark.parametrize("before", ["july", "2999-01"])
def test_the_command_refuses_months_that_are_none(before):
    with pytest.raises(CommandError, match="--before") as caught:
        call_command("archive_observations", "--before", before)
    assert caught.value.returncode == 2


def test_the_command_says_why_it_cannot(folder):
    with archive._alone(folder), pytest.raises(CommandError, match="Another process"):
        call_command("archive_observations", "--folder", str(folder))
    assert [path.name for path in folder.iterdir()] == [".lock"]
