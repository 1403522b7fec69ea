"""Signed metadata (The Update Framework), as rows: a transaction publishes all of a step or none of it."""

from typing import ClassVar

from django.db import models

from mobile_models.models.releases import Release


class Metadata(models.Model):
    """One signed version of one role; the newest is in force. `content` is what is served, byte for byte."""

    role = models.CharField(max_length=60)
    version = models.PositiveIntegerField()
    content = models.BinaryField()
    expires = models.DateTimeField()
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["role", "-version"]
        verbose_name_plural = "metadata"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["role", "version"], name="one_content_per_version")
        ]

    def __str__(self) -> str:
        return f"{self.version}.{self.role}.json"


class PendingMetadata(models.Model):
    """The next version of an offline role, waiting for signatures until its threshold is met."""

    role = models.CharField(max_length=60, unique=True)
    version = models.PositiveIntegerField()
    content = models.BinaryField()
    release = models.ForeignKey(Release, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "pending metadata"

    def __str__(self) -> str:
        return f"{self.version}.{self.role}.json, not fully signed"


class TargetDocument(models.Model):
    """A small target that is made here, such as a catalog: bytes under their digest."""

    path = models.CharField(max_length=200)
    sha256 = models.CharField("SHA-256", max_length=64)
    content = models.BinaryField()
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-created"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["path", "sha256"], name="one_document_per_digest")
        ]

    def __str__(self) -> str:
        return f"{self.path} {self.sha256[:12]}"
