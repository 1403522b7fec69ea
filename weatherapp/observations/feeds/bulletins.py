"""METARs out of bulletins and out of the aviation-weather cache file: which text is one report.

A bulletin begins with a WMO heading ("SAUS70 KWBC 081400", perhaps with a group such as CCA or RRB); its
reports end with "=". Some files have a report per line without "=", or a line with the full date before each
report.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from weatherapp.observations.errors import FeedUnreadable
from weatherapp.observations.feeds.interface import StationReport
from weatherapp.observations.feeds.sources import Document
from weatherapp.observations.feeds.stations import make_station

START_OF_BULLETIN, END_OF_BULLETIN = "\x01", "\x03"
HEADING = re.compile(r"[A-Z]{4}\d{0,2} [A-Z0-9]{4} \d{6}(?: (?P<group>[A-Z]{3}))?")
SEQUENCE = re.compile(r"\d{3}|NNNN|ZCZC.*")
KIND = re.compile(r"(METAR|SPECI)( COR)?")
DATE = re.compile(r"(\d{4})/(\d\d)/(\d\d) \d\d:\d\d")
AWIPS = re.compile(r"[A-Z][A-Z0-9]{3,5}")
BEGINS = re.compile(r"(?:(?:METAR|SPECI|TAF) +)?(?:COR +|AMD +)?[A-Z][A-Z0-9]{3} +(?:COR +)?\d{6}Z")
# CCA, CCB, … correct and AAA, … amend; RRA, … and RTD only say that a report is late.
CORRECTING = re.compile(r"CC[A-Z]|AA[A-Z]|COR")
CACHE_COLUMNS = ("raw_text", "station_id", "observation_time", "latitude", "longitude", "elevation_m")
# Among other columns, wherever it stands and quoted or not.
CACHE_HEADER = re.compile(r'(?:,"?raw_text\b|\braw_text"?,)')
CUT_OFF = "cut off before its end"


@dataclass(frozen=True, slots=True)
class RawReport:
    """The text of one report, single spaces and printable ASCII only.

    Attributes:
        text: without the closing "=".
        speci: whether the bulletin or the file calls it special.
        corrected: whether the bulletin or the file calls it a correction.
        observed: full time of observation, where the file has one; aware UTC.
        date: full date, where the file has one.
        station: position, where the file has one.
        fault: why the text is no report; empty where it may be one.
    """

    text: str
    speci: bool = False
    corrected: bool = False
    observed: datetime | None = None
    date: datetime | None = None
    station: StationReport | None = None
    fault: str = ""


def split_document(document: Document) -> Iterator[RawReport]:
    """All reports of a file, also those that cannot be read.

    Raises:
        FeedUnreadable: a cache file without the columns that are needed.
    """
    text = document.content.decode("latin-1").removeprefix("\xef\xbb\xbf")
    if CACHE_HEADER.search(text[:4096]):
        return _cache_rows(document, text)
    return _bulletins(text, whole=document.whole)


def _bulletins(text: str, *, whole: bool) -> Iterator[RawReport]:
    marked = re.sub(f"[{START_OF_BULLETIN}{END_OF_BULLETIN}]", "\n\x01\n", text.replace("\r", "\n"))
    open_end = not (whole and marked.endswith("\n"))
    bulletin = _Bulletin()
    for line in marked.split("\n"):
        yield from bulletin.take(line)
    yield from bulletin.close(open_end=open_end)


class _Bulletin:
    """Lines of one bulletin, until the next begins."""

    def __init__(self) -> None:
        self._start()

    def _start(self, *, corrected: bool = False, headed: bool = False) -> None:
        self.lines: list[str] = []
        self.speci = False
        self.corrected = corrected
        self.headed = headed
        self.date: datetime | None = None

    def take(self, raw: str) -> Iterator[RawReport]:
        """Add a line; gives the reports of the bulletin before, where the line begins another."""
        if raw == START_OF_BULLETIN:
            yield from self.close(open_end=False)
            return
        line = _plain(raw)
        bare = line.strip()
        heading, dated = HEADING.fullmatch(bare), DATE.fullmatch(bare)
        if heading:
            yield from self.close(open_end=False)
            group = heading["group"] or ""
            self._start(corrected=bool(CORRECTING.fullmatch(group)), headed=True)
        elif dated:
            yield from self.close(open_end=False)
            self.date = _date(dated)
        elif kind := KIND.fullmatch(bare):
            corrected = self.corrected or bool(kind[2])
            yield from self.close(open_end=False)
            self._start(corrected=corrected, headed=True)
            self.speci = kind[1] == "SPECI"
        elif not SEQUENCE.fullmatch(bare) and not self._is_label(bare):
            self.lines.append(line)

    def _is_label(self, bare: str) -> bool:
        """Whether it is the AWIPS product name that may follow a heading."""
        first = self.headed and not any(line.strip() for line in self.lines)
        return first and bool(AWIPS.fullmatch(bare))

    def close(self, *, open_end: bool) -> Iterator[RawReport]:
        """End the bulletin; gives its reports.

        Args:
            open_end: whether the text may go on where the file ends.
        """
        frame = RawReport("", speci=self.speci, corrected=self.corrected, date=self.date)
        lines, signed = self.lines, any("=" in line for line in self.lines)
        self._start()
        for text, ended in _pieces(lines, signed=signed):
            cut = not ended and (signed or open_end)
            yield replace(frame, text=text, fault=CUT_OFF if cut else "")


def _pieces(lines: list[str], *, signed: bool) -> Iterator[tuple[str, bool]]:
    """Texts of single reports, and whether each has come to its end."""
    current = ""
    for line in lines:
        begins = BEGINS.match(line.strip()) is not None
        apart = not signed and (not line.strip() or not line.startswith(" "))
        if (begins or apart) and current:
            yield current, True
            current = ""
        *ended, rest = line.split("=")
        for part in ended:
            text = " ".join(f"{current} {part}".split())
            current = ""
            if text:
                yield text, True
        current = " ".join(f"{current} {rest}".split())
    if current:
        yield current, False


def _plain(line: str) -> str:
    return "".join(c if " " <= c <= "~" else " " for c in line)


def _date(found: re.Match[str]) -> datetime | None:
    try:
        return datetime(int(found[1]), int(found[2]), int(found[3]), tzinfo=UTC)
    except ValueError:
        return None


def _cache_rows(document: Document, text: str) -> Iterator[RawReport]:
    lines = [_plain(line) for line in text.replace("\r\n", "\n").split("\n")]
    start = next(index for index, line in enumerate(lines) if CACHE_HEADER.search(line))
    header = next(csv.reader([lines[start]]))
    absent = [name for name in CACHE_COLUMNS if name not in header]
    if absent:
        raise FeedUnreadable(
            f"{document.filename} has no column {', '.join(absent)}; it has {', '.join(header)[:200]}."
        )
    last = len(lines) - 1
    for number, line in enumerate(lines[start + 1 :], start=start + 1):
        if line.strip():
            yield _cache_row(header, line, cut=number == last)


def _cache_row(header: list[str], line: str, *, cut: bool) -> RawReport:
    try:
        cells = next(csv.reader([line], strict=True), [])
    except csv.Error:
        cells = []
    if cut or len(cells) != len(header):
        return RawReport(line.strip(), fault=CUT_OFF if cut else "a row with other columns than the header")
    # Sky columns repeat; the first of each name is enough for what is read here.
    row = dict(reversed(list(zip(header, cells, strict=True))))
    observed = _time(row["observation_time"])
    return RawReport(
        text=" ".join(row["raw_text"].rstrip("= ").split()),
        speci=row.get("metar_type", "").strip().upper() == "SPECI",
        corrected=row.get("corrected", "").strip().upper() == "TRUE",
        observed=observed,
        station=make_station(
            row["station_id"].strip(),
            row["station_id"].strip(),
            row["latitude"],
            row["longitude"],
            row["elevation_m"],
            "METAR",
        ),
        fault="" if observed else "no time of observation",
    )


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
