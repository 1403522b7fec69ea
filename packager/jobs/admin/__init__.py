"""The admin's pages of packaging jobs and searches."""

from packager.jobs.admin.builds import PackagingJobAdmin
from packager.jobs.admin.searches import SearchStudyAdmin

__all__ = ["PackagingJobAdmin", "SearchStudyAdmin"]
