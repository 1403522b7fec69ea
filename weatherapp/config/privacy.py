"""Keep what people asked for out of the logs. Imports neither Django nor gunicorn: both use it."""

import logging
import re

# A query string, wherever it stands: after a question mark that follows a path.
QUERY = re.compile(r"(?<=\S)\?[^\s'\"]+")
PAIR = re.compile(r"-?\d{1,3}\.\d+, ?-?\d{1,3}\.\d+")
# How gunicorn begins what it says about a request that it cannot read.
CALLER = re.compile(r"\bip=[0-9A-Fa-f.:]+(?=:)")
TOKEN = re.compile(r"skyfold_[0-9a-f]{12}_[A-Za-z0-9_-]+")


class WithoutPlaces(logging.Filter):
    """Takes query strings, coordinates, tokens and addresses out of records and their tracebacks."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record; it is always logged."""
        record.msg, record.args = scrub(record.getMessage()), ()
        if record.exc_info:
            # Formatters use what was formatted before.
            record.exc_text = scrub(record.exc_text or logging.Formatter().formatException(record.exc_info))
        return True


def is_news(record: logging.LogRecord) -> bool:
    """Whether a record is worth a line: every phone's check asks for the next root and is told of none."""
    missing = getattr(record, "status_code", None) == 404
    return not (missing and record.getMessage().endswith(".root.json"))


def scrub(text: str) -> str:
    """A text without query strings, pairs of coordinates, tokens and callers' addresses."""
    text = CALLER.sub("ip=[address]", QUERY.sub("?[query]", text))
    return TOKEN.sub("[token]", PAIR.sub("[place]", text))
