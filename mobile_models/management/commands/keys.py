"""`manage.py keys`: make, change and look at the keys that phones trust."""

import json
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from securesystemslib.signer import Key

from mobile_models.errors import DeliveryError, ParameterInvalid
from mobile_models.management.key_table import table
from mobile_models.management.signing_options import add_exchange, add_keys, named_signers, signers_of, told
from mobile_models.signing import changes, exchange, services
from mobile_models.signing.documents import Holder
from mobile_models.signing.founding import Ring
from mobile_models.signing.keys import load_public, make_key
from mobile_models.signing.online import THIS_SERVER
from mobile_models.signing.pending import Standing
from mobile_models.signing.status import status
from mobile_models.signing.unlocking import new_passphrase

SIGN_AGAIN = "manage.py keys sign"
EMBED = "Apps embed GET /v1/tuf/metadata/1.root.json. Keep the offline keys away from this server."
Options = dict[str, Any]


class Command(BaseCommand):
    help = "Make, change and look at the keys that phones trust: docs/signing.md."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        _add_init(actions.add_parser("init", help="make keys and the first signed metadata"))
        _add_make(actions.add_parser("make", help="make a key for one holder"))
        _add_rotate(actions.add_parser("rotate", help="change who signs a role"))
        _add_revoke(actions.add_parser("revoke", help="take a key out of every role"))
        renew = actions.add_parser("renew", help="sign again what is half expired")
        renew.add_argument("--all", action="store_true", help="whatever its age")
        add_keys(renew)
        sign = actions.add_parser("sign", help="sign what waits for signatures, or a file that holds it")
        sign.add_argument(
            "file", type=Path, nargs="?", help="of --export; nothing else is needed on that machine"
        )
        add_keys(sign)
        add_exchange(sign)
        actions.add_parser("cancel", help="forget what waits for signatures")
        actions.add_parser("status", help="who signs what until when").add_argument(
            "--json", action="store_true", help="for programs"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            text = ACTIONS[options["action"]](options)
        except DeliveryError as error:
            raise CommandError(str(error), returncode=2) from error
        self.stdout.write(text)


def _add_init(parser: ArgumentParser) -> None:
    parser.add_argument("--keys", type=int, default=1, help="how many offline keys to make (default 1)")
    parser.add_argument("--threshold", type=int, default=1, help="how many of them must sign (default 1)")
    _add_folder(parser)
    parser.add_argument(
        "--public-key",
        action="append",
        default=[],
        metavar="FILE[=HOLDER]",
        help="an offline key that was made elsewhere, instead of --keys; repeatable",
    )
    parser.add_argument(
        "--online-public-key",
        metavar="FILE",
        help="the public half of the online key that TUF_ONLINE_KEY names; without it a file is made",
    )
    parser.add_argument(
        "--development", action="store_true", help="keys that guard nothing, for a demonstration"
    )
    add_keys(parser)


def _add_make(parser: ArgumentParser) -> None:
    parser.add_argument("name", help="what its file is called: who holds it")
    _add_folder(parser)
    parser.add_argument("--passphrase-file", type=Path, metavar="FILE", help="with its passphrase")


def _add_rotate(parser: ArgumentParser) -> None:
    parser.add_argument("role", help="a role, or `offline` or `online` for all that one kind of key signs")
    parser.add_argument(
        "--remove", action="append", default=[], metavar="KEYID", help="its first digits; repeatable"
    )
    _add_change(parser)


def _add_revoke(parser: ArgumentParser) -> None:
    parser.add_argument("keyid", help="the first digits of the key's id")
    _add_change(parser)


def _add_change(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--add", action="append", default=[], metavar="FILE[=HOLDER]", help="a public key; repeatable"
    )
    parser.add_argument("--threshold", type=int, help="how many must sign from now on")
    parser.add_argument("--reason", default="", help="for the audit log")
    add_keys(parser)


def _add_folder(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--keys-dir", type=Path, default=Path(settings.KEYS_DIR), help="where files go (default %(default)s)"
    )


def _init(options: Options) -> str:
    if options["development"]:
        services.init_development()
        return f"There is a repository with development keys in {settings.KEYS_DIR}.\n{EMBED}"
    online = _online_ring(options["online_public_key"])
    if options["public_key"]:
        named = _named(options["public_key"])
        keys = tuple(key for key, _ in named)
        ring = Ring(keys, {key.keyid: holder for key, holder in named}, signers_of(options, known=keys))
    else:
        changes.check_threshold(options["threshold"], options["keys"])
        passphrase = new_passphrase(next(iter(options["passphrase_file"]), None))
        folder = options["keys_dir"]
        ring = Ring.of_files([make_key(folder, "offline", passphrase) for _ in range(options["keys"])])
    standings = services.found_repository(offline=ring, threshold=options["threshold"], online=online)
    return _told(standings) if standings else f"There is a repository.\n{EMBED}"


def _make(options: Options) -> str:
    made = make_key(options["keys_dir"], options["name"], new_passphrase(options["passphrase_file"]))
    return (
        f"Key {made.key.keyid[:8]} is in {made.path}; keep that file. Hand on its public half, "
        f"{made.path.with_suffix('.pub')}, to whoever runs `manage.py keys init` or `rotate`."
    )


def _rotate(options: Options) -> str:
    add = _named(options["add"])
    return _told(
        services.rotate(
            group=options["role"],
            add=add,
            remove=options["remove"],
            threshold=options["threshold"],
            signers=signers_of(options, known=[key for key, _ in add]),
            reason=options["reason"],
        )
    )


def _revoke(options: Options) -> str:
    add = _named(options["add"])
    return _told(
        services.revoke(
            keyid=options["keyid"],
            add=add,
            threshold=options["threshold"],
            signers=signers_of(options, known=[key for key, _ in add]),
            reason=options["reason"],
        )
    )


def _renew(options: Options) -> str:
    return _told(services.renew(signers=signers_of(options), everything=options["all"]))


def _sign(options: Options) -> str:
    if options["file"]:
        signers = named_signers(options, exchange.keys_asked(options["file"]))
        return "\n".join(exchange.sign_request(options["file"], signers))
    if options["export"]:
        exchange.export_request(changes.waiting_rows(), options["export"], purpose="a change of keys")
        return (
            f"{options['export']} holds the bytes to sign. Take it to the keys, run `{SIGN_AGAIN} FILE "
            f"--key KEY` there, and bring it back to `{SIGN_AGAIN} --import FILE`."
        )
    if options["import"]:
        return _told(changes.import_signatures(options["import"]))
    return _told(services.sign_waiting(signers_of(options)))


def _cancel(_: Options) -> str:
    count = services.cancel()
    return f"Forgot {count} documents that waited for signatures. What is in force stays."


def _status(options: Options) -> str:
    seen = status()
    return json.dumps(seen.to_dict(), indent=1, default=str) if options["json"] else table(seen)


ACTIONS: dict[str, Callable[[Options], str]] = {
    "init": _init,
    "make": _make,
    "rotate": _rotate,
    "revoke": _revoke,
    "renew": _renew,
    "sign": _sign,
    "cancel": _cancel,
    "status": _status,
}


def _named(given: Sequence[str]) -> list[tuple[Key, Holder]]:
    """Public keys with their holders: `FILE=HOLDER`, or the file's name."""
    found: list[tuple[Key, Holder]] = []
    for text in given:
        path, _, holder = text.partition("=")
        found.append((load_public(Path(path)), Holder(holder or Path(path).stem)))
    return found


def _online_ring(path: str | None) -> Ring | None:
    if path is None:
        return None
    if not settings.TUF_ONLINE_KEY:
        raise ParameterInvalid(
            "online-public-key: a public key was given, but TUF_ONLINE_KEY names no key. Set it to the key's "
            "URI."
        )
    key = load_public(Path(path))
    return Ring((key,), {key.keyid: Holder(THIS_SERVER, settings.TUF_ONLINE_KEY[0])})


def _told(standings: Sequence[Standing]) -> str:
    return (
        told(standings, SIGN_AGAIN)
        if standings
        else "Published. `manage.py keys status` shows what is in force."
    )
