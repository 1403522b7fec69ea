"""Bundles, the deltas between them, and those that no device may run any more."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models


class Bundle(models.Model):
    """One variant in its archive. The bytes lie in the blob store under `sha256`."""

    class State(models.TextChoices):
        REGISTERED = "registered"
        VERIFIED = "verified"
        REFUSED = "refused"

    sha256 = models.CharField("SHA-256", max_length=64, unique=True, editable=False)
    size = models.PositiveBigIntegerField(help_text="Bytes of the archive.")
    wire_sha256 = models.CharField("SHA-256 of the zstd form", max_length=64, editable=False)
    wire_size = models.PositiveBigIntegerField(help_text="Bytes under zstd: what a phone downloads.")
    encodings = models.JSONField(
        default=dict, help_text="Bytes and SHA-256 of each compressed form: zstd, br, gzip."
    )
    name = models.CharField(max_length=100)
    variant = models.CharField(
        max_length=100, db_index=True, help_text="How it was made: format, then precision."
    )
    format = models.CharField(max_length=20)
    platforms = models.JSONField(default=list, help_text="Platforms that it may be offered to.")
    contract_sha256 = models.CharField("contract", max_length=64)
    golden_sha256 = models.CharField("golden vectors", max_length=64, blank=True)
    card_sha256 = models.CharField("model card", max_length=64, blank=True, db_index=True)
    manifest = models.JSONField()
    state = models.CharField(max_length=10, choices=State, default=State.REGISTERED)
    refused_because = models.TextField(blank=True)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-created", "variant"]
        permissions: ClassVar = [
            ("register_bundle", "Can register bundles"),
            ("reverify_bundle", "Can verify bundles again"),
            ("revoke_bundle", "Can revoke bundles"),
        ]

    def __str__(self) -> str:
        return f"{self.variant} {self.sha256[:12]}"

    @property
    def contract(self) -> dict[str, Any]:
        """Name, version and SHA-256 of the contract that it fulfils."""
        return dict(self.manifest["contract"])

    @property
    def engine_min(self) -> dict[str, Any]:
        """Oldest engine or system version that runs it."""
        return dict(self.manifest["engine_min"])


class Delta(models.Model):
    """A patch that makes one bundle's archive out of another's; its bytes lie in the blob store."""

    class Kind(models.TextChoices):
        BSDIFF = "bsdiff4"
        DCZ = "dcz", "dictionary-compressed zstd (RFC 9842)"

    base = models.ForeignKey(Bundle, on_delete=models.CASCADE, related_name="deltas_from")
    target = models.ForeignKey(Bundle, on_delete=models.CASCADE, related_name="deltas_to")
    kind = models.CharField(max_length=10, choices=Kind)
    sha256 = models.CharField("SHA-256", max_length=64, blank=True, help_text="Of the patch.")
    size = models.PositiveBigIntegerField(help_text="Bytes of the patch.")
    offered = models.BooleanField(default=True, help_text="False where the full file is as small.")
    refused_because = models.TextField(blank=True, help_text="Why it was not made.")
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-created"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["base", "target", "kind"], name="one_delta_of_a_kind")
        ]

    def __str__(self) -> str:
        return f"{self.base} to {self.target} ({self.kind})"


class Revocation(models.Model):
    """A bundle that no device may run any more: the kill switch."""

    bundle = models.OneToOneField(Bundle, on_delete=models.PROTECT, related_name="revocation")
    reason = models.TextField()
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-created"]

    def __str__(self) -> str:
        return f"{self.bundle} revoked"
