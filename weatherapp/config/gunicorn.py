"""How gunicorn logs: without query strings, addresses and referrers.

`gunicorn --config python:weatherapp.config.gunicorn weatherapp.config.wsgi`
"""

from typing import Any

from gunicorn.glogging import Logger

from weatherapp.config.privacy import WithoutPlaces

# Method, path, protocol, status, bytes, microseconds. Who called and what for is nobody's business.
access_log_format = '%(t)s "%(m)s %(U)s %(H)s" %(s)s %(B)s %(D)s'

# Many places make a long query; this is the longest that gunicorn takes with a limit.
limit_request_line = 8190


class PrivateLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """The usual one, with a filter for what gunicorn itself says about requests that it cannot read."""

    def setup(self, cfg: Any) -> None:
        """Set the handlers up and filter each."""
        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            for handler in log.handlers:
                handler.addFilter(WithoutPlaces())


logger_class = PrivateLogger
