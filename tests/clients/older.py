"""Asks a server through an older open-meteo and prints what the client read, as JSON.

Usage: python older.py FOLDER URL ARGUMENTS, where FOLDER holds the client and ARGUMENTS is a JSON object of
what its `forecast` takes.
"""

import asyncio
import json
import sys
from dataclasses import asdict
from typing import Any

folder, address, arguments = sys.argv[1:]
sys.path.insert(0, folder)

import open_meteo  # noqa: E402
from aiohttp import ClientSession  # noqa: E402
from yarl import URL  # noqa: E402

if not str(open_meteo.__file__).startswith(folder):
    raise SystemExit(f"open_meteo came from {open_meteo.__file__}, not from {folder}.")


class Redirected:
    """A session that asks our server whatever host the client names."""

    def __init__(self, session: ClientSession, server: URL) -> None:
        self.session, self.server = session, server

    async def get(self, url: URL) -> Any:
        host, port = str(self.server.host), self.server.port
        return await self.session.get(url.with_scheme("http").with_host(host).with_port(port))


async def main() -> dict[str, Any]:
    async with ClientSession() as session:
        client = open_meteo.OpenMeteo(session=Redirected(session, URL(address)))  # type: ignore[arg-type]
        try:
            return asdict(await client.forecast(**json.loads(arguments)))
        except Exception as error:  # noqa: BLE001 - the test says which it expects
            return {"error": f"{type(error).__name__}: {error}"}


json.dump(asyncio.run(main()), sys.stdout, default=str)
