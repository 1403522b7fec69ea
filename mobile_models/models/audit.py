"""The audit log: who did what, chained by hashes so that a change shows."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models

from mobile_models.errors import LogIsFixed

FIXED = "The audit log only grows; none of its entries is changed or removed. Record another one."


class AppendOnly(models.QuerySet["AuditEntry"]):
    """Rows to read; the database refuses changes as well, for those who come another way."""

    def update(self, **_: Any) -> int:
        """Refuse."""
        raise LogIsFixed(FIXED)

    def delete(self) -> tuple[int, dict[str, int]]:
        """Refuse."""
        raise LogIsFixed(FIXED)


class AuditEntry(models.Model):
    """One step that changed what is delivered. Rows are added and never changed."""

    sequence = models.PositiveBigIntegerField(unique=True)
    at = models.DateTimeField()
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    actor_name = models.CharField(max_length=150, help_text="As it was then; a task's name for the system.")
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=40)
    object_id = models.CharField(max_length=64)
    object_name = models.CharField(max_length=200, blank=True)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    reason = models.TextField(blank=True)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64, unique=True)

    objects = AppendOnly.as_manager()

    class Meta:
        default_permissions = ("view",)
        ordering: ClassVar = ["-sequence"]
        verbose_name = "audit log entry"
        verbose_name_plural = "audit log"

    def __str__(self) -> str:
        return f"{self.sequence}: {self.action} {self.object_name}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Write a new entry; never an old one again."""
        if not self._state.adding:
            raise LogIsFixed(FIXED)
        super().save(*args, **kwargs)

    def delete(self, *_: Any, **__: Any) -> tuple[int, dict[str, int]]:
        """Refuse."""
        raise LogIsFixed(FIXED)
