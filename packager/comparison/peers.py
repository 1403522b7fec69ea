"""Peers: what stock tools make of one member of the teacher, and of our student before any step.

A peer is a recipe whose artifact somebody else's defaults make. Everything after that is ours and the same as
for our own recipes: it is run on the same cases, scored against the same teacher, and put into the same
archive with the same contract, manifest and golden vectors, so that bytes on the wire compare like with like.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from packager.recipes import Export, Gates, Recipe


@dataclass(frozen=True, slots=True)
class Peer:
    """One stock way to make an artifact.

    Attributes:
        name: as recipes are named; starts with `stock_`.
        maker: key of `packager.comparison.stock.MAKERS`.
        model: what it starts from: `member`, one lead decoder of the teacher, or `student`, as distilled.
        format: of the artifact.
        summary: which tool, which of its defaults, and where they had to be helped.
    """

    name: str
    maker: str
    model: str
    format: str
    summary: str

    @property
    def recipe(self) -> Recipe:
        """The peer in a recipe's place: without limits, because it is compared and never bundled for use."""
        return Recipe(
            name=self.name,
            summary=self.summary,
            source=self.model,
            export=Export(self.format, {}),
            gates=Gates(),
            required=False,
            document={"peer": self.maker, "source": self.model, "export": {"format": self.format}},
        )


_CONVERTED = "converted with our float head and tail, because visibility in metres overflows fp16."
_MAKERS = (
    (
        "litert_dynamic",
        "tflite",
        "LiteRT quantizer, its recipe dynamic_wi8_afp32, for the body: int8 weights, float results.",
    ),
    (
        "litert_static",
        "tflite",
        "LiteRT quantizer, its recipe static_wi8_ai8 with its default calibration, for the body.",
    ),
    (
        "coreml_kmeans4",
        "coreml",
        f"coremltools k-means palettization, 4 bits, its default configuration; {_CONVERTED}",
    ),
    (
        "coreml_linear8",
        "coreml",
        f"coremltools linear int8 weights, its default configuration; {_CONVERTED}",
    ),
)
_OF_A_MEMBER = (
    Peer(
        "stock_tflite_int8_member",
        "tflite_int8",
        "member",
        "tflite",
        "TensorFlow Lite converter, post-training int8 with a representative dataset: all it can.",
    ),
    Peer(
        "stock_pcqat_member",
        "pcqat",
        "member",
        "tflite",
        "Model Optimization Toolkit, PCQAT as its tutorial does it: half of the weights pruned, 8 clusters, "
        "quantization-aware training, one epoch each. It cannot copy our float head and tail, so that it is "
        "applied to the body alone, which keeps them float.",
    ),
)
# Those of a member last: helpers begin there, while the student that the others need is trained.
PEERS: Mapping[str, Peer] = {
    peer.name: peer
    for peer in (
        *(
            Peer(f"stock_{maker}_{model}", maker, model, format_, summary)
            for model in ("student", "member")
            for maker, format_, summary in _MAKERS
        ),
        *_OF_A_MEMBER,
    )
}
