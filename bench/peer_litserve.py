"""`python -m bench.peer_litserve PORT WORKERS`: the model behind LitServe. Runs in `.venv-bench`."""

import sys
from typing import Any

import litserve

from bench.peer_model import Model


class Forecast(litserve.LitAPI):  # noqa: D101
    def setup(self, device: str) -> None:  # noqa: ARG002, D102
        self.model = Model()

    def decode_request(self, request: dict[str, Any], **_: Any) -> int:  # noqa: D102
        return int(request["station"])

    def predict(self, x: int, **_: Any) -> dict[str, Any]:  # noqa: D102
        return self.model.forecast(x)

    def encode_response(self, output: dict[str, Any], **_: Any) -> dict[str, Any]:  # noqa: D102
        return output


if __name__ == "__main__":
    port, workers = map(int, sys.argv[1:])
    server = litserve.LitServer(Forecast(), accelerator="cpu", workers_per_device=workers)
    server.run(host="127.0.0.1", port=port, log_level="warning", generate_client_file=False)
