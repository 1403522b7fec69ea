"""The release manager's pages."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from mobile_models import services
from mobile_models.admin_base import OperatedAdmin, bar, document, link, mono, said_only, size
from mobile_models.errors import DeliveryError
from mobile_models.forms import ReasonDialog, ReleaseForm, RolloutForm, StartDialog, WidenDialog
from mobile_models.models import Bundle, Channel, Release, Rollout

COLOURS = {
    "verified": "success",
    "refused": "danger",
    "approved": "info",
    "live": "success",
    "withdrawn": "danger",
    "active": "success",
    "halted": "danger",
}


@admin.register(Bundle)
class BundleAdmin(OperatedAdmin):
    expected_errors = (DeliveryError,)
    list_display: ClassVar = [
        "variant",
        "short_digest",
        "format",
        "archive",
        "wire",
        "shown_state",
        "created",
    ]
    list_filter: ClassVar = ["state", "format"]
    search_fields: ClassVar = ["variant", "sha256"]
    readonly_fields: ClassVar = [
        "offered_to",
        "archive",
        "wire",
        "digest",
        "contract_line",
        "shown_manifest",
        "shown_state",
    ]
    fieldsets: ClassVar = [
        (
            None,
            {
                "fields": [
                    "variant",
                    "name",
                    "format",
                    "offered_to",
                    "shown_state",
                    "refused_because",
                    "created",
                ]
            },
        ),
        ("Bytes", {"fields": ["archive", "wire", "digest", "contract_line"]}),
        ("Manifest", {"fields": ["shown_manifest"]}),
    ]
    actions_detail: ClassVar = ["reverify"]

    def get_fieldsets(self, request: HttpRequest, obj: Bundle | None = None) -> Any:
        return said_only(self.fieldsets, obj, "refused_because")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_reverify_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self.may_operate(request)

    @display(description="State", label=COLOURS)
    def shown_state(self, bundle: Bundle) -> str:
        return bundle.state

    @display(description="Platforms")
    def offered_to(self, bundle: Bundle) -> str:
        return ", ".join(bundle.platforms)

    @display(description="Archive", ordering="size")
    def archive(self, bundle: Bundle) -> str:
        return size(bundle.size)

    @display(description="On the wire", ordering="wire_size")
    def wire(self, bundle: Bundle) -> str:
        return size(bundle.wire_size)

    @display(description="SHA-256")
    def short_digest(self, bundle: Bundle) -> SafeString:
        return mono(bundle.sha256[:12], bundle.sha256)

    @display(description="SHA-256")
    def digest(self, bundle: Bundle) -> SafeString:
        return format_html(
            "{} {}", mono(bundle.sha256), link(reverse("blob", args=[bundle.sha256]), "Download")
        )

    @display(description="Contract")
    def contract_line(self, bundle: Bundle) -> SafeString:
        contract = bundle.contract
        return format_html("{} {} {}", contract["name"], contract["version"], mono(contract["sha256"][:12]))

    @display(description="manifest.json")
    def shown_manifest(self, bundle: Bundle) -> SafeString:
        return document(bundle.manifest)

    @action(
        description="Verify again",
        url_path="reverify",
        icon="verified",
        permissions=["reverify"],
        dialog={
            "title": "Verify again",
            "description": "Runs the stored artifact. One that fails is no longer offered.",
            "form_class": None,
            "form_submit_text": "Verify",
        },
    )
    def reverify(self, request: HttpRequest, form: Form, object_id: str) -> HttpResponse:
        bundle = Bundle.objects.get(pk=object_id)
        return self.finish(
            request, lambda: services.reverify_bundle(bundle=bundle), f"{bundle} is as it was."
        )


@admin.register(Release)
class ReleaseAdmin(OperatedAdmin):
    expected_errors = (DeliveryError,)
    form = ReleaseForm
    list_display: ClassVar = ["version", "shown_state", "variants", "channels", "created"]
    list_filter: ClassVar = ["state"]
    search_fields: ClassVar = ["version", "notes"]
    readonly_fields: ClassVar = ["shown_state", "contents", "channels"]
    fieldsets: ClassVar = [
        (None, {"fields": ["version", "shown_state", "channels", "notes", "withdrawn_because", "created"]}),
        ("Bundles", {"fields": ["contents"]}),
    ]
    add_fieldsets: ClassVar = [(None, {"fields": ["bundles", "notes"]})]
    actions_detail: ClassVar = ["approve", "start_rollout", "withdraw"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Release]:
        releases: QuerySet[Release] = super().get_queryset(request)
        return releases.prefetch_related("bundles", "rollouts__channel")

    def get_fieldsets(self, request: HttpRequest, obj: Release | None = None) -> Any:
        return said_only(self.fieldsets, obj, "withdrawn_because", "notes") if obj else self.add_fieldsets

    def save_model(self, request: HttpRequest, obj: Release, form: Form, change: bool) -> None:
        release = services.create_release(bundles=list(form.cleaned_data["bundles"]), notes=obj.notes)
        obj.pk = release.pk
        obj.refresh_from_db()

    def has_approve_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self._may(request, object_id, [Release.State.DRAFT])

    def has_roll_out_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self._may(request, object_id, services.ROLLED_OUT)

    def has_withdraw_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self._may(
            request, object_id, [state for state in Release.State if state != Release.State.WITHDRAWN]
        )

    def _may(self, request: HttpRequest, object_id: Any, states: Any) -> bool:
        return self.may_operate(request) and Release.objects.filter(pk=object_id, state__in=states).exists()

    @display(description="State", label=COLOURS)
    def shown_state(self, release: Release) -> str:
        return release.state

    @display(description="Variants")
    def variants(self, release: Release) -> str:
        return ", ".join(bundle.variant for bundle in release.bundles.all())

    @display(description="Offered to")
    def channels(self, release: Release) -> SafeString | str:
        active = [rollout for rollout in release.rollouts.all() if rollout.state == Rollout.State.ACTIVE]
        return (
            ", ".join(f"{rollout.channel} {rollout.basis_points / 100:g} %" for rollout in active) or "nobody"
        )

    @display(description="One per variant")
    def contents(self, release: Release) -> SafeString:
        rows = format_html_join(
            "",
            '<tr><td class="py-1 pr-6">{}</td>'
            '<td class="pr-6">{}</td><td class="pr-6">{}</td><td>{}</td></tr>',
            (
                (
                    link(reverse("admin:mobile_models_bundle_change", args=[bundle.pk]), bundle.variant),
                    bundle.format,
                    f"{size(bundle.wire_size)} on the wire",
                    mono(bundle.sha256[:12], bundle.sha256),
                )
                for bundle in release.bundles.all()
            ),
        )
        return format_html("<table>{}</table>", rows)

    @action(
        description="Approve",
        url_path="approve",
        icon="check",
        permissions=["approve"],
        variant=ActionVariant.SUCCESS,
        dialog={
            "title": "Approve this release",
            "description": "Its bundles are then fixed, and it can be rolled out.",
            "form_class": None,
            "form_submit_text": "Approve",
        },
    )
    def approve(self, request: HttpRequest, form: Form, object_id: str) -> HttpResponse:
        release = Release.objects.get(pk=object_id)
        return self.finish(
            request, lambda: services.approve_release(release=release), f"{release} is approved."
        )

    @action(
        description="Start rollout",
        url_path="start-rollout",
        icon="rocket_launch",
        permissions=["roll_out"],
        variant=ActionVariant.PRIMARY,
        dialog={
            "title": "Start a rollout",
            "description": "A share stands in front of what everyone has; 10000 takes its place.",
            "form_class": StartDialog,
            "form_submit_text": "Start",
        },
    )
    def start_rollout(self, request: HttpRequest, form: Form, object_id: str) -> HttpResponse:
        release, given = Release.objects.get(pk=object_id), form.cleaned_data
        return self.finish(
            request,
            lambda: services.start_rollout(
                release=release, channel=given["channel"], basis_points=given["basis_points"]
            ),
            f"{release} is offered to {given['basis_points'] / 100:g} % of {given['channel']}.",
        )

    @action(
        description="Withdraw",
        url_path="withdraw",
        icon="block",
        permissions=["withdraw"],
        variant=ActionVariant.DANGER,
        dialog={
            "title": "Withdraw this release",
            "description": "It is taken off every channel and cannot be rolled out again.",
            "form_class": ReasonDialog,
            "form_submit_text": "Withdraw",
        },
    )
    def withdraw(self, request: HttpRequest, form: Form, object_id: str) -> HttpResponse:
        release, reason = Release.objects.get(pk=object_id), form.cleaned_data["reason"]
        return self.finish(
            request,
            lambda: services.withdraw_release(release=release, reason=reason),
            f"{release} is withdrawn.",
        )


@admin.register(Channel)
class ChannelAdmin(ModelAdmin):
    list_display: ClassVar = ["name", "description", "offers"]
    readonly_fields: ClassVar = ["offers"]

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Channel | None = None) -> list[str]:
        # Phones ask for a channel by its name.
        return ["offers", "name"] if obj else ["offers"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Channel]:
        channels: QuerySet[Channel] = super().get_queryset(request)
        return channels.prefetch_related("rollouts__release")

    @display(description="Offers")
    def offers(self, channel: Channel) -> str:
        active = [rollout for rollout in channel.rollouts.all() if rollout.state == Rollout.State.ACTIVE]
        return (
            ", ".join(f"{rollout.release} {rollout.basis_points / 100:g} %" for rollout in active)
            or "nothing"
        )


@admin.register(Rollout)
class RolloutAdmin(OperatedAdmin):
    expected_errors = (DeliveryError,)
    form = RolloutForm
    list_display: ClassVar = ["release", "channel", "share", "release_counter", "shown_state", "started"]
    list_filter: ClassVar = ["state", "channel"]
    list_select_related: ClassVar = ["release", "channel"]
    readonly_fields: ClassVar = ["share", "shown_state"]
    fieldsets: ClassVar = [
        (None, {"fields": ["release", "channel", "share", "shown_state", "halt_reason"]}),
        ("Details", {"fields": ["release_counter", "salt", "started", "state_changed_at"]}),
    ]
    add_fieldsets: ClassVar = [(None, {"fields": ["release", "channel", "basis_points"]})]
    actions_detail: ClassVar = ["widen", "halt"]

    def get_fieldsets(self, request: HttpRequest, obj: Rollout | None = None) -> Any:
        return said_only(self.fieldsets, obj, "halt_reason") if obj else self.add_fieldsets

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "release":
            kwargs["queryset"] = Release.objects.filter(state__in=services.ROLLED_OUT)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Rollout, form: Form, change: bool) -> None:
        rollout = services.start_rollout(
            release=obj.release, channel=obj.channel, basis_points=obj.basis_points
        )
        obj.pk = rollout.pk
        obj.refresh_from_db()

    def has_operate_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        active = Rollout.objects.filter(pk=object_id, state=Rollout.State.ACTIVE)
        return self.may_operate(request) and active.exists()

    @display(description="Share", ordering="basis_points")
    def share(self, rollout: Rollout) -> SafeString:
        return bar(rollout.basis_points / 100, f"{rollout.basis_points / 100:g} %")

    @display(description="State", label=COLOURS)
    def shown_state(self, rollout: Rollout) -> str:
        return rollout.state

    @action(
        description="Widen",
        url_path="widen",
        icon="open_in_full",
        permissions=["operate"],
        variant=ActionVariant.PRIMARY,
        dialog={
            "title": "Widen this rollout",
            "description": "Every device that has the release keeps its place.",
            "form_class": WidenDialog,
            "form_submit_text": "Widen",
        },
    )
    def widen(self, request: HttpRequest, form: Form, object_id: str) -> HttpResponse:
        rollout, share = Rollout.objects.get(pk=object_id), form.cleaned_data["basis_points"]
        return self.finish(
            request,
            lambda: services.widen_rollout(rollout=rollout, basis_points=share),
            f"{rollout.release} is offered to {share / 100:g} % of {rollout.channel}.",
        )

    @action(
        description="Halt",
        url_path="halt",
        icon="pan_tool",
        permissions=["operate"],
        variant=ActionVariant.DANGER,
        dialog={
            "title": "Halt this rollout",
            "description": "The release is offered to nobody more; devices that installed it keep it.",
            "form_class": ReasonDialog,
            "form_submit_text": "Halt",
        },
    )
    def halt(self, request: HttpRequest, form: Form, object_id: str) -> HttpResponse:
        rollout, reason = Rollout.objects.get(pk=object_id), form.cleaned_data["reason"]
        return self.finish(
            request,
            lambda: services.halt_rollout(rollout=rollout, reason=reason),
            f"{rollout.release} is no longer offered to {rollout.channel}.",
        )
