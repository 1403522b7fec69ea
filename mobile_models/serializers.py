"""The shapes of the API's answers, for its reference."""

from rest_framework import serializers


class ProblemSerializer(serializers.Serializer[None]):
    """What went wrong, as RFC 9457 asks: what was given, what is allowed, what to do next."""

    type = serializers.CharField(help_text="Names the kind of problem; stable.")
    title = serializers.CharField()
    status = serializers.IntegerField(help_text="The HTTP status.")
    detail = serializers.CharField(help_text="The field, what was given and what is allowed.")


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
    """The compressed forms."""

    zstd = EncodingSerializer()


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


class ShareSerializer(serializers.Serializer[None]):
    """A device belongs to the share if bucket(its secret, salt) is below basis_points."""

    salt = serializers.CharField()
    basis_points = serializers.IntegerField(help_text="10000 is everyone.")


class OfferSerializer(serializers.Serializer[None]):
    """The one bundle of a release for a device."""

    release = serializers.CharField()
    release_counter = serializers.IntegerField(
        help_text="Grows with every rollout of the channel; refuse a lower one."
    )
    rollout = ShareSerializer()
    bundle = BundleSerializer()
    url = serializers.CharField(help_text="Where the bundle's bytes are.")


class ResolveSerializer(OfferSerializer):
    """What a device should run."""

    otherwise = OfferSerializer(
        allow_null=True, help_text="For a device outside the share; null if there is no other."
    )


class CatalogReleaseSerializer(serializers.Serializer[None]):
    """A release on offer."""

    release = serializers.CharField()
    release_counter = serializers.IntegerField()
    rollout = ShareSerializer()
    bundles = BundleSerializer(many=True)


class CatalogSerializer(serializers.Serializer[None]):
    """What a channel offers, newest first."""

    channel = serializers.CharField()
    releases = CatalogReleaseSerializer(many=True)


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
