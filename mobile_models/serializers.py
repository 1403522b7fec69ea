"""The shapes of the API's answers, for its reference. The catalog's own schema is /v1/catalog/schema.json."""

from rest_framework import serializers

from mobile_models.device import PERF_CLASSES, PLATFORMS
from mobile_models.policy import NETWORKS


class ProblemSerializer(serializers.Serializer[None]):
    """What went wrong, as RFC 9457 asks: what was given, what is allowed, what to do next."""

    type = serializers.CharField(help_text="Names the kind of problem; stable.")
    title = serializers.CharField()
    status = serializers.IntegerField(help_text="The HTTP status.")
    detail = serializers.CharField(help_text="The field, what was given and what is allowed.")


class NoBundleSerializer(ProblemSerializer):
    """No bundle for the device; where the channel is known it is told all the same what to stop."""

    revoked = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="Bundles that no device may run any more."
    )


class ContractReferenceSerializer(serializers.Serializer[None]):
    """The contract that a bundle fulfils."""

    name = serializers.CharField()
    version = serializers.IntegerField()
    sha256 = serializers.CharField()


class EncodingSerializer(serializers.Serializer[None]):
    """A compressed form of a blob, sent to a client that accepts it."""

    size = serializers.IntegerField(help_text="Bytes.")
    sha256 = serializers.CharField(help_text="Of the compressed bytes; `Repr-Digest` carries it.")


class EncodingsSerializer(serializers.Serializer[None]):
    """The compressed forms, by content coding."""

    zstd = EncodingSerializer()
    br = EncodingSerializer(required=False)
    gzip = EncodingSerializer(required=False)


class ShareSerializer(serializers.Serializer[None]):
    """A device belongs to the share if bucket(its secret, salt) is below basis_points."""

    salt = serializers.CharField()
    basis_points = serializers.IntegerField(help_text="10000 is everyone.")


class ConditionsSerializer(serializers.Serializer[None]):
    """Which devices a release is for; only what is restricted is there."""

    platforms = serializers.ListField(child=serializers.CharField(), required=False)
    os_min = serializers.CharField(required=False)
    os_max = serializers.CharField(required=False)
    app_min = serializers.CharField(required=False)
    app_max = serializers.CharField(required=False)
    ram_min_mb = serializers.IntegerField(required=False)
    perf_classes = serializers.ListField(child=serializers.CharField(), required=False)
    regions = serializers.ListField(child=serializers.CharField(), required=False)


class BundleSerializer(serializers.Serializer[None]):
    """A bundle: one variant of a model in its archive."""

    name = serializers.CharField(help_text="The model.")
    variant = serializers.CharField(help_text="How it was made, such as tflite_w8a8.")
    format = serializers.ChoiceField(choices=["tflite", "coreml"], help_text="What runs it.")
    precision = serializers.CharField(allow_null=True, help_text="Number format of the weights.")
    platforms = serializers.ListField(child=serializers.CharField())
    size = serializers.IntegerField(help_text="Bytes of the archive.")
    sha256 = serializers.CharField(help_text="Of the archive; also its address.")
    encodings = EncodingsSerializer()
    contract = ContractReferenceSerializer()
    engine_min = serializers.DictField(
        child=serializers.CharField(), help_text="Oldest engine or system that runs it."
    )
    url = serializers.CharField(help_text="Where its bytes are.")


class AppRangeSerializer(serializers.Serializer[None]):
    """Versions of the app, both included; null is no limit."""

    min = serializers.CharField(allow_null=True)
    max = serializers.CharField(allow_null=True)


class DeltaSerializer(serializers.Serializer[None]):
    """A smaller way to a bundle from one that the device has."""

    base = serializers.CharField(help_text="Digest of the bundle that it starts from.")
    kind = serializers.CharField(help_text="bsdiff4 or dcz.")
    size = serializers.IntegerField(help_text="Bytes to download.")
    sha256 = serializers.CharField(required=False, help_text="Of the patch; bsdiff4 only.")
    url = serializers.CharField(required=False, help_text="Of the patch; bsdiff4 only.")


class CatalogBundleSerializer(serializers.Serializer[None]):
    """One variant as a platform's catalog lists it."""

    release = serializers.CharField()
    release_counter = serializers.IntegerField()
    variant = serializers.CharField(help_text="How it was made, such as tflite_w8a8.")
    format = serializers.ChoiceField(choices=["tflite", "coreml"], help_text="What runs it.")
    precision = serializers.CharField(allow_null=True, help_text="Number format of the weights.")
    contract_version = serializers.IntegerField(help_text="Which inputs it needs.")
    contract_sha256 = serializers.CharField()
    engine_min = serializers.DictField(
        child=serializers.CharField(), help_text="Oldest engine or system that runs it."
    )
    os_min = serializers.CharField(allow_null=True, help_text="Oldest system of the platform.")
    app_range = AppRangeSerializer(allow_null=True)
    ram_min_mb = serializers.IntegerField(allow_null=True)
    accelerators = serializers.ListField(child=serializers.CharField())
    regions = serializers.ListField(child=serializers.CharField())
    perf_class = serializers.ListField(child=serializers.ChoiceField(PERF_CLASSES))
    size = serializers.IntegerField(help_text="Bytes of the archive.")
    sha256 = serializers.CharField(help_text="Of the archive; also its address.")
    target = serializers.CharField(help_text="Its name among the signed targets.")
    url = serializers.CharField(help_text="Where its bytes are.")
    encodings = EncodingsSerializer()
    deltas = DeltaSerializer(many=True)
    golden_sha256 = serializers.CharField(help_text="Of golden.json in the archive.")
    card_sha256 = serializers.CharField(allow_null=True, help_text="Of the model card.")


class PolicySerializer(serializers.Serializer[None]):
    """When to download."""

    network = serializers.ChoiceField(choices=NETWORKS)
    any_after_seconds = serializers.IntegerField(allow_null=True)
    charging = serializers.BooleanField()
    free_storage_mb = serializers.IntegerField()
    stale_after_seconds = serializers.IntegerField()


class ReportsSerializer(serializers.Serializer[None]):
    """Where devices report, and where they get the token for it."""

    url = serializers.CharField()
    token_url = serializers.CharField()


class _OnOfferSerializer(serializers.Serializer[None]):
    release = serializers.CharField()
    release_counter = serializers.IntegerField(
        help_text="Grows with every rollout of the channel; refuse a lower one."
    )
    state = serializers.ChoiceField(choices=["active", "paused"])
    rollout = ShareSerializer()
    conditions = ConditionsSerializer()


class CatalogReleaseSerializer(_OnOfferSerializer):
    """A release that a platform is offered."""

    bundles = CatalogBundleSerializer(many=True)


class CatalogSerializer(serializers.Serializer[None]):
    """What a channel offers to a platform, newest first: the document that is signed."""

    catalog = serializers.IntegerField(help_text="Version of the form: 1.")
    channel = serializers.CharField()
    platform = serializers.ChoiceField(list(PLATFORMS))
    releases = CatalogReleaseSerializer(many=True)
    policy = PolicySerializer()
    revoked = serializers.ListField(child=serializers.CharField())
    reports = ReportsSerializer()


class OverviewReleaseSerializer(_OnOfferSerializer):
    """A release on offer with its bundles for all platforms, the server's own among them."""

    bundles = BundleSerializer(many=True)


class OverviewSerializer(serializers.Serializer[None]):
    """What a channel offers to anybody, newest first."""

    channel = serializers.CharField()
    releases = OverviewReleaseSerializer(many=True)


class OfferedBundleSerializer(BundleSerializer, CatalogBundleSerializer):
    """The catalog's words for a bundle, with its model, contract and platforms."""


class OfferSerializer(serializers.Serializer[None]):
    """The one bundle of a release for a device."""

    release = serializers.CharField()
    release_counter = serializers.IntegerField(
        help_text="Grows with every rollout of the channel; refuse a lower one."
    )
    rollout = ShareSerializer()
    bundle = OfferedBundleSerializer()
    url = serializers.CharField(help_text="Where the bundle's bytes are.")
    reason = serializers.CharField(help_text="Why this one, in a sentence.")


class ResolveSerializer(OfferSerializer):
    """What a device should run."""

    otherwise = OfferSerializer(
        allow_null=True, help_text="For a device outside the share; null if there is no other."
    )
    revoked = serializers.ListField(
        child=serializers.CharField(), help_text="Bundles that no device may run any more."
    )


class ModelSerializer(serializers.Serializer[None]):
    """A model that this server serves."""

    name = serializers.CharField()
    contract = ContractReferenceSerializer(help_text="The one that needs the fewest inputs.")
    contracts = ContractReferenceSerializer(many=True, help_text="All that inputs are served for.")
    resolve_url = serializers.CharField()
    catalog_url = serializers.CharField()


class ModelsSerializer(serializers.Serializer[None]):
    """The models that this server serves."""

    models = ModelSerializer(many=True)
