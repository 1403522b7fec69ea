from django.apps import AppConfig


class PackagingJobsConfig(AppConfig):
    name = "packager.jobs"
    verbose_name = "Packaging"
