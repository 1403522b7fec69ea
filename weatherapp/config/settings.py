"""All settings, read from the environment.

Every one has a default that runs on a laptop with nothing installed.

| variable | default | accepted |
|---|---|---|
| `SKYFOLD_VAR` | `var/` beside manage.py | a writable folder: database, artifacts, runs, queue |
| `SECRET_KEY` | made once and kept in `SKYFOLD_VAR` | any long random string |
| `DEBUG` | false | true, false |
| `ALLOWED_HOSTS` | localhost, 127.0.0.1, [::1] | host names, comma-separated |
| `CSRF_TRUSTED_ORIGINS` | none | origins, comma-separated |
| `DATABASE_URL` | SQLite in `SKYFOLD_VAR` | postgres://user:password@host:port/name |
| `CELERY_BROKER_URL` | a folder in `SKYFOLD_VAR` | redis://…, amqp://… |
| `REPLAY_FEED` | true | whether beat replays the reference stations as if they reported now |
| `FEEDS` | replay, or none without `REPLAY_FEED` | feeds that beat asks, comma-separated: docs/feeds.md |
| `FEED_MINUTES` | 2,32 | minutes of the hour in which beat asks them |
| `FEED_<NAME>_SOURCE` | none | METAR, ISD_LITE, METEOSTAT, OPEN_METEO: a folder, a file, an http(s) address |
| `FEED_<NAME>_STATIONS` | none | the feed's list of stations, a file or an address |
| `FEED_<NAME>_SITES` | none | ISD_LITE and METEOSTAT over HTTP: which stations' files, comma-separated |
| `FEED_METAR_MAX_AGE_HOURS` | 72 | older METARs are refused |
| `FEED_OPEN_METEO_PLACES` | none | CODE,latitude,longitude,elevation; separated by semicolons |
| `FEED_OPEN_METEO_MODEL` | Open-Meteo's best match | which numerical model to ask for |
| `FEED_OPEN_METEO_PREVIOUS_DAYS` | 0 | how many days' earlier runs to ask for, at most 7 |
| `CYCLE_MINUTE` | 5 | minute of the hour in which the forecast cycle starts |
| `CELERY_KEY_PREFIX` | skyfold: | what the queue's keys in Redis begin with |
| `PACKAGING_BUILDER` | packager.pipeline.build_variant | dotted path of what builds a job's bundle |
| `SEARCH_BUILDER` | packager.search.trial.TrialBuilder | dotted path of what builds a search's trials |
| `SEARCH_STORAGE_URL` | a PostgreSQL `DATABASE_URL`, or a file in `SKYFOLD_VAR` | postgresql://…, a path |
| `OBSERVATIONS_KEPT_DAYS` | 100 | months that ended earlier are archived to Parquet, guidance too |
| `REJECTIONS_KEPT_DAYS` | 30 | what quality control refused is deleted after that |
| `ARCHIVE_DIR` | `archive/` in `SKYFOLD_VAR` | folder of the archived months |
| `RUNS_KEPT` | 72 | how many forecast runs are kept; below 52 long leads are never verified |
| `VERIFICATION_DELAY_HOURS` | 2 | how long after an hour its forecasts are scored: reports come late |
| `VERIFICATION_KEPT_DAYS` | 400 | scores of days longer ago are forgotten |
| `CURRENT_RUN_SECONDS` | 1 | how long a web process answers from a run before it looks for a newer one |
| `ANSWER_CACHE_MB` | 16 | megabytes of answers to `/v1/forecast` that each web process keeps; 0 keeps none |
| `FORECAST_DAYS` | 7 | 0 to 16: days where a request names none; 2 for clients that fail on null |
| `FORECAST_RATE` | none | requests of one address to `/v1/forecast`: 600/minute, 20/second, …/hour, …/day |
| `JOB_LEASE_SECONDS` | 120 | a packaging job whose worker is silent for so long is taken over |
| `CACHE_URL` | memory of each process | redis://…: what counts calls, then for all web processes together |
| `PROXIES` | 0 | how many proxies in front add to `X-Forwarded-For`; callers are told apart by it |
| `ADDRESS_CALLS_PER_MINUTE` | 600 | calls to `/v1/devices` from one network address |
| `DEVICE_CALLS_PER_MINUTE` | 120 | calls of one device |
| `DEVICE_REGISTRATIONS_PER_HOUR` | 30 | new devices from one network address |
| `DEVICE_KEPT_DAYS` | 400 | a device silent for longer is erased |
| `BLOBS_STORAGE` | `blobs/` in `SKYFOLD_VAR` | s3://bucket/prefix?endpoint_url=…: docs/blobs.md |
| `BLOBS_SERVE` | stream | stream; x-accel to nginx; redirect to the bucket: docs/blobs.md |
| `BLOBS_ACCEL_PREFIX` | /_blobs/ | nginx's internal location of the folder |
| `BLOBS_URL_SECONDS` | 300 | how long a signed address is good for, 60 to 604800 |
| `DELTA_MEMORY_MB` | 1024 | megabytes that making one patch may take |
| `DELTA_SECONDS` | 600 | how long making one patch may take |
| `REPORTS_KEPT_DAYS` | 14 | raw report batches are deleted after that; their counts stay |
| `REPORT_TOKENS_PER_HOUR` | 600 | report tokens for one network address: phones share addresses |
| `REPORT_BATCHES_PER_HOUR` | 12 | report batches with one token |
| `REPORT_OPERATIONS_PER_HOUR` | 100000 | operations that one token may count |
| `REPORT_WINDOW_MINUTES` | 60 | how often reports are weighed, and rollouts halted; may have a fraction |
| `FALSE_HALT_RATE` | 0.01 | how often at most a rollout that is no worse than its control is halted |
| `CRASH_MARGIN` | 0.02 | share of devices on which a release must be shown not to crash before 10 % get it |
| `FORGED_REPORTS_SHARE` | 0.01 | devices that may send forged reports and halt nothing; 0 trusts all |
| `WEBHOOK_HTTP` | false | whether webhooks may be plain http |
| `WEBHOOK_NETWORKS` | none | private networks that webhooks may reach all the same, such as 10.1.2.0/24 |
| `PRODUCTION` | false | refuses development keys, asks a second person to approve, expects TLS in front |
| `TWO_PERSON_APPROVAL` | PRODUCTION | who made or submitted a release cannot approve it |
| `GATE_MEAN_PERCENT` | 2 | a release may be so much worse than live in the mean over its outputs |
| `GATE_WORST_PERCENT` | 5 | and so much in one output and lead bucket |
| `GATE_BYTES_PERCENT` | 50 | and so much larger on the wire |
| `ROLLOUT_STALLED_HOURS` | 72 | a staged rollout that stands still for longer raises an alarm |
| `BEHIND_TLS` | PRODUCTION | browsers come over https: secure cookies, HSTS, http is sent to https |
| `HSTS_SECONDS` | 31536000 | how long browsers remember that this host speaks https only; 0: not |
| `ADMIN_SESSION_HOURS` | 12 | how long a login to the admin lasts |
| `ADMIN_LOGIN_FAILURES` | 5 | wrong passwords for one name from one address before it is locked |
| `ADMIN_LOCKED_MINUTES` | 15 | for how long |
| `ADMIN_TOTP_REQUIRED` | false | everybody needs a second factor; whoever set one up needs it anyway |
| `KEYS_DIR` | `keys/` in `SKYFOLD_VAR` | folder of the key files that `manage.py keys` makes |
| `TUF_ONLINE_KEY` | the file in `KEYS_DIR` | signer URIs of the online key, newest first: docs/signing.md |
| `TUF_ONLINE_PASSPHRASE_FILE` | `online.passphrase` in `KEYS_DIR` | holds the passphrase of the online key |
| `TUF_ROOT_DAYS`, `TUF_TARGETS_DAYS` | 365, 90 | how long what the offline keys sign is good |
| `TUF_ROLLOUT_DAYS`, `TUF_SNAPSHOT_DAYS` | 7, 7 | how long what the online key signs is good |
| `TUF_TIMESTAMP_DAYS` | 1 | the same of the timestamp |
"""

import re
from datetime import timedelta
from pathlib import Path
from secrets import token_urlsafe

import environ
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static

from mobile_models.stores.address import parse_serving, parse_storage
from weatherapp.config.navigation import INDIGO, NAVIGATION
from weatherapp.config.privacy import is_news
from weatherapp.core.rates import parse_rate

BASE_DIR = Path(__file__).resolve().parents[2]
env = environ.Env()

VAR_DIR = Path(env.str("SKYFOLD_VAR", default=str(BASE_DIR / "var"))).resolve()
VAR_DIR.mkdir(parents=True, exist_ok=True)


def _kept_secret() -> str:
    """A random key, the same at every start: written once by whichever process is first."""
    path = VAR_DIR / "secret-key"
    try:
        with path.open("x") as file:
            path.chmod(0o600)
            file.write(token_urlsafe(48))
    except FileExistsError:
        pass
    return path.read_text()


SECRET_KEY = env.str("SECRET_KEY", default="") or _kept_secret()
DEBUG = env.bool("DEBUG", default=False)
PRODUCTION = env.bool("PRODUCTION", default=False)
TWO_PERSON_APPROVAL = env.bool("TWO_PERSON_APPROVAL", default=PRODUCTION)
RELEASE_GATE = {
    "mean_percent": env.float("GATE_MEAN_PERCENT", default=2.0),
    "worst_percent": env.float("GATE_WORST_PERCENT", default=5.0),
    "bytes_percent": env.float("GATE_BYTES_PERCENT", default=50.0),
}
ROLLOUT_STALLED_HOURS = env.float("ROLLOUT_STALLED_HOURS", default=72.0)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "axes",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "mobile_models",
    "packager.jobs",
    "weatherapp.observations",
    "weatherapp.forecasts",
    "weatherapp.personal",
    "weatherapp.web",
    "weatherapp.config",
]

MIDDLEWARE = [
    "weatherapp.config.heads.WithoutBody",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "weatherapp.config.csp.PagePolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "weatherapp.config.second_factor.middleware.SecondFactorMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "weatherapp.config.urls"
WSGI_APPLICATION = "weatherapp.config.wsgi.application"
ASGI_APPLICATION = "weatherapp.config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # Where the admin's own templates had to be mended; found before the admin's.
        "DIRS": [BASE_DIR / "weatherapp" / "config" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'db.sqlite3'}")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # One writer at a time: take the write lock at BEGIN and wait for it, rather than fail half way through.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON; "
        # What is erased is overwritten, not only unlinked.
        "PRAGMA secure_delete=ON;",
    }
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
# Opening SQLite anew costs a request more than all its queries.
DATABASES["default"]["CONN_MAX_AGE"] = 60
CACHES = {"default": env.cache_url("CACHE_URL", default="locmemcache://")}
if "redis" in CACHES["default"]["BACKEND"]:
    CACHES["default"]["KEY_PREFIX"] = env.str("CELERY_KEY_PREFIX", default="skyfold:")
elif "locmem" in CACHES["default"]["BACKEND"]:
    # Counts of callers live here: Django's 300 would be forgotten in a minute.
    CACHES["default"]["OPTIONS"] = {"MAX_ENTRIES": 50_000}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LOGIN_REDIRECT_URL = "admin:index"

# Locked is a name together with an address: nobody can lock a colleague out from elsewhere.
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = env.int("ADMIN_LOGIN_FAILURES", default=5)
AXES_COOLOFF_TIME = timedelta(minutes=env.int("ADMIN_LOCKED_MINUTES", default=15))
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "weatherapp.config.lockout.address"
AXES_LOCKOUT_CALLABLE = "weatherapp.config.lockout.locked_out"
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
ADMIN_TOTP_REQUIRED = env.bool("ADMIN_TOTP_REQUIRED", default=False)
OTP_TOTP_ISSUER = "Skyfold"
OTP_ADMIN_HIDE_SENSITIVE_DATA = True
SESSION_COOKIE_AGE = env.int("ADMIN_SESSION_HOURS", default=12) * 3600

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)  # WhiteNoise warns when it is missing
MEDIA_ROOT = VAR_DIR / "media"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
# Without DEBUG and without collectstatic the demo still shows the admin's style sheets.
WHITENOISE_USE_FINDERS = True

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser", "rest_framework.parsers.FormParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "weatherapp.config.problems.handle",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Skyfold",
    "DESCRIPTION": "Forecasts for thin clients and model bundles for phones.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "weatherapp.config.openapi.name_problem_types",
        "weatherapp.config.openapi.let_alternatives_overlap",
    ],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

QUEUE_DIR = VAR_DIR / "queue"
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="filesystem://")
if CELERY_BROKER_URL.startswith("filesystem"):
    for _folder in ("messages", "processed", "control"):
        (QUEUE_DIR / _folder).mkdir(parents=True, exist_ok=True)
    # In and out are one folder: producer and worker live on the same machine.
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(QUEUE_DIR / "messages"),
        "data_folder_out": str(QUEUE_DIR / "messages"),
        "control_folder": str(QUEUE_DIR / "control"),
        "store_processed": False,
    }
elif CELERY_BROKER_URL.startswith("redis"):
    CELERY_BROKER_TRANSPORT_OPTIONS = {"global_keyprefix": env.str("CELERY_KEY_PREFIX", default="skyfold:")}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# KiB. TensorFlow stays in a process that has loaded it: a fresh one takes its place after the task.
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 600_000
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "beat-schedule")

REPLAY_FEED = env.bool("REPLAY_FEED", default=True)
FEEDS = env.list("FEEDS", default=["replay"] if REPLAY_FEED else [])
FEED_MINUTES = env.str("FEED_MINUTES", default="2,32")
_READ_FEEDS = ("metar", "isd_lite", "meteostat", "open_meteo")
FEED_SOURCES = {name: env.str(f"FEED_{name.upper()}_SOURCE", default="") for name in _READ_FEEDS}
FEED_STATIONS = {name: env.str(f"FEED_{name.upper()}_STATIONS", default="") for name in _READ_FEEDS}
FEED_SITES = {name: env.list(f"FEED_{name.upper()}_SITES", default=[]) for name in _READ_FEEDS}
FEED_METAR_MAX_AGE_HOURS = env.int("FEED_METAR_MAX_AGE_HOURS", default=72)
FEED_OPEN_METEO_PLACES = [
    place for place in env.str("FEED_OPEN_METEO_PLACES", default="").split(";") if place.strip()
]
FEED_OPEN_METEO_MODEL = env.str("FEED_OPEN_METEO_MODEL", default="")
FEED_OPEN_METEO_PREVIOUS_DAYS = env.int("FEED_OPEN_METEO_PREVIOUS_DAYS", default=0)
CYCLE_MINUTE = env.int("CYCLE_MINUTE", default=5)
OBSERVATIONS_KEPT_DAYS = env.int("OBSERVATIONS_KEPT_DAYS", default=100)
REJECTIONS_KEPT_DAYS = env.int("REJECTIONS_KEPT_DAYS", default=30)
ARCHIVE_DIR = Path(env.str("ARCHIVE_DIR", default=str(VAR_DIR / "archive")))
RUNS_KEPT = env.int("RUNS_KEPT", default=72)
VERIFICATION_DELAY_HOURS = env.int("VERIFICATION_DELAY_HOURS", default=2)
VERIFICATION_KEPT_DAYS = env.int("VERIFICATION_KEPT_DAYS", default=400)
CURRENT_RUN_SECONDS = env.float("CURRENT_RUN_SECONDS", default=1.0)
ANSWER_CACHE_MB = env.int("ANSWER_CACHE_MB", default=16)
FORECAST_DAYS = env.int("FORECAST_DAYS", default=7)
if not 0 <= FORECAST_DAYS <= 16:
    raise ImproperlyConfigured(f"FORECAST_DAYS is {FORECAST_DAYS}; allowed: whole numbers from 0 to 16.")
FORECAST_RATE = env.str("FORECAST_RATE", default="")
parse_rate(FORECAST_RATE, "FORECAST_RATE")  # a wrong one is named at the start, not at the first request
JOB_LEASE_SECONDS = env.int("JOB_LEASE_SECONDS", default=120)
PACKAGING_BUILDER = env.str("PACKAGING_BUILDER", default="packager.pipeline.build_variant")
SEARCH_BUILDER = env.str("SEARCH_BUILDER", default="packager.search.trial.TrialBuilder")
_DATABASE_URL = env.str("DATABASE_URL", default="")
SEARCH_STORAGE_URL = env.str(
    "SEARCH_STORAGE_URL",
    default=_DATABASE_URL
    if _DATABASE_URL.startswith("postgres")
    else str(VAR_DIR / "search" / "journal.log"),
)

PROXIES = env.int("PROXIES", default=0)
ADDRESS_CALLS_PER_MINUTE = env.int("ADDRESS_CALLS_PER_MINUTE", default=600)
DEVICE_CALLS_PER_MINUTE = env.int("DEVICE_CALLS_PER_MINUTE", default=120)
DEVICE_REGISTRATIONS_PER_HOUR = env.int("DEVICE_REGISTRATIONS_PER_HOUR", default=30)
DEVICE_KEPT_DAYS = env.int("DEVICE_KEPT_DAYS", default=400)
WEBHOOK_HTTP = env.bool("WEBHOOK_HTTP", default=False)
WEBHOOK_NETWORKS = env.list("WEBHOOK_NETWORKS", default=[])

KEYS_DIR = Path(env.str("KEYS_DIR", default=str(VAR_DIR / "keys")))
TUF_ONLINE_KEY = env.list("TUF_ONLINE_KEY", default=[])
TUF_ONLINE_PASSPHRASE_FILE = Path(
    env.str("TUF_ONLINE_PASSPHRASE_FILE", default=str(KEYS_DIR / "online.passphrase"))
)
TUF_ROOT_DAYS = env.int("TUF_ROOT_DAYS", default=365)
TUF_TARGETS_DAYS = env.int("TUF_TARGETS_DAYS", default=90)
TUF_ROLLOUT_DAYS = env.int("TUF_ROLLOUT_DAYS", default=7)
TUF_SNAPSHOT_DAYS = env.int("TUF_SNAPSHOT_DAYS", default=7)
TUF_TIMESTAMP_DAYS = env.int("TUF_TIMESTAMP_DAYS", default=1)

REPORTS_KEPT_DAYS = env.int("REPORTS_KEPT_DAYS", default=14)
REPORT_TOKENS_PER_HOUR = env.int("REPORT_TOKENS_PER_HOUR", default=600)
REPORT_BATCHES_PER_HOUR = env.int("REPORT_BATCHES_PER_HOUR", default=12)
REPORT_OPERATIONS_PER_HOUR = env.int("REPORT_OPERATIONS_PER_HOUR", default=100_000)
REPORT_WINDOW_MINUTES = env.float("REPORT_WINDOW_MINUTES", default=60.0)
FALSE_HALT_RATE = env.float("FALSE_HALT_RATE", default=0.01)
FORGED_REPORTS_SHARE = env.float("FORGED_REPORTS_SHARE", default=0.01)
CRASH_MARGIN = env.float("CRASH_MARGIN", default=0.02)
if not 0 < CRASH_MARGIN < 1:
    raise ImproperlyConfigured(f"CRASH_MARGIN is {CRASH_MARGIN}; allowed: above 0, below 1.")
if REPORT_WINDOW_MINUTES <= 0 or not 0 < FALSE_HALT_RATE < 1 or not 0 <= FORGED_REPORTS_SHARE < 1:
    raise ImproperlyConfigured(
        f"REPORT_WINDOW_MINUTES is {REPORT_WINDOW_MINUTES}, FALSE_HALT_RATE {FALSE_HALT_RATE}, "
        f"FORGED_REPORTS_SHARE {FORGED_REPORTS_SHARE}; allowed: more than 0; between 0 and 1; 0 to below 1."
    )

BLOBS_DIR = VAR_DIR / "blobs"
# What was fetched from a bucket because it must be a file here.
BLOB_CACHE_DIR = VAR_DIR / "blob-cache"
BLOBS_STORAGE = env.str("BLOBS_STORAGE", default="")
STORAGES["bundles"] = parse_storage(BLOBS_STORAGE)
BLOBS_SERVE = parse_serving(env.str("BLOBS_SERVE", default="stream"), BLOBS_STORAGE)
BLOBS_ACCEL_PREFIX = env.str("BLOBS_ACCEL_PREFIX", default="/_blobs/")
if not re.fullmatch(r"/([\w.-]+/)+", BLOBS_ACCEL_PREFIX):
    raise ImproperlyConfigured(
        f"BLOBS_ACCEL_PREFIX is {BLOBS_ACCEL_PREFIX!r}; allowed: a path that begins and ends with a slash, "
        "such as /_blobs/."
    )
BLOBS_URL_SECONDS = env.int("BLOBS_URL_SECONDS", default=300)
if not 60 <= BLOBS_URL_SECONDS <= 604_800:
    raise ImproperlyConfigured(f"BLOBS_URL_SECONDS is {BLOBS_URL_SECONDS}; allowed: 60 to 604800, a week.")
DELTA_MEMORY_MB = env.int("DELTA_MEMORY_MB", default=1024)
DELTA_SECONDS = env.int("DELTA_SECONDS", default=600)
RUNS_DIR = VAR_DIR / "runs"
# The packager's cache of finished stages; a job and the command line share it.
WORK_DIR = VAR_DIR / "work"

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
BEHIND_TLS = env.bool("BEHIND_TLS", default=PRODUCTION)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = BEHIND_TLS
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=365 * 24 * 3600) if BEHIND_TLS else 0
# Orchestrators ask the process itself, without the proxy that ends TLS.
SECURE_REDIRECT_EXEMPT = ["^healthz$", "^readyz$"]
if BEHIND_TLS and PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

UNFOLD = {
    "SITE_TITLE": "Skyfold",
    "SITE_HEADER": "Skyfold",
    "SITE_SYMBOL": "partly_cloudy_day",
    "DASHBOARD_CALLBACK": "mobile_models.admin.dashboard.callback",
    "STYLES": [lambda _request: static("mobile_models/console.css")],
    "SCRIPTS": [lambda _request: static("mobile_models/console.js")],
    "SIDEBAR": {"navigation": NAVIGATION},
    "SHOW_HISTORY": False,  # the audit log has it
    "COLORS": {"primary": INDIGO},
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("mobile_models/icon.svg")}
    ],
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "filters": {
        "private": {"()": "weatherapp.config.privacy.WithoutPlaces"},
        "news": {"()": "django.utils.log.CallbackFilter", "callback": is_news},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["private"]}},
    # Django's own handlers would print what the filter takes out.
    "loggers": {
        "django": {"handlers": [], "propagate": True, "level": env.str("LOG_LEVEL", default="INFO")},
        "django.request": {"filters": ["news"]},
        "django.server": {"handlers": [], "propagate": True},
        "axes": {"level": "WARNING"},  # every login, and who never failed
        # It tells of every key that has not signed yet, which is what waiting for signatures means.
        "tuf": {"level": "WARNING"},
    },
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
}
