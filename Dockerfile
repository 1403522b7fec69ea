# Two images from one file:
#   docker build --target web      -t skyfold-web .        serves: no TensorFlow
#   docker build --target packager -t skyfold-packager .   trains, folds, verifies, forecasts: everything

FROM python:3.11-slim AS base
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    SKYFOLD_VAR=/var/lib/skyfold
# A volume that is mounted over a folder for the first time takes its owner from here.
RUN useradd --system --uid 10001 --home-dir /var/lib/skyfold skyfold \
    && install --directory --owner skyfold --mode 0750 /var/lib/skyfold \
    && install --directory --owner skyfold --mode 0700 /var/lib/skyfold-keys /var/lib/skyfold-passphrase
WORKDIR /srv/skyfold

FROM base AS web
COPY requirements.txt requirements-web.txt ./
# "Verify again" in the admin runs Core ML bundles too, in a process of its own: that needs the Protocol Buffers
# modules of coremltools (26 MB) and none of its dependencies.
RUN pip install -r requirements-web.txt && pip install --no-deps "$(grep '^coremltools==' requirements.txt)"
COPY . .
USER skyfold
EXPOSE 8000
# 127.0.0.1 must stay among ALLOWED_HOSTS: this is the name by which the check calls.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
# A worker that handled many requests is replaced; the heartbeat file must not lie on a slow disk.
CMD ["gunicorn", "weatherapp.config.wsgi:application", "--config", "python:weatherapp.config.gunicorn", \
     "--bind", "0.0.0.0:8000", "--workers", "2", \
     "--threads", "4", "--max-requests", "20000", "--max-requests-jitter", "2000", \
     "--worker-tmp-dir", "/dev/shm", "--access-logfile", "-"]

FROM base AS packager
COPY requirements.txt ./
RUN pip install -r requirements.txt
COPY . .
USER skyfold
# Two processes: a packaging job may take an hour, and the forecast cycle must not wait for it.
CMD ["celery", "--app", "weatherapp.config", "worker", "--concurrency", "2", "--loglevel", "INFO"]
