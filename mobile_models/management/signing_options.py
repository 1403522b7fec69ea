"""What the commands that sign have in common: how keys are named, and how far signing is."""

from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from securesystemslib.signer import Key, Signer

from mobile_models.errors import KeyRefused, NotInitialised
from mobile_models.signing.founding import development_signers
from mobile_models.signing.pending import Standing
from mobile_models.signing.unlocking import PASSPHRASE_VARIABLE, keys_in_use, signers_at_hand


def add_keys(parser: ArgumentParser) -> None:
    """Options that say which keys are at hand."""
    parser.add_argument(
        "--key",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a key file to sign with; repeatable",
    )
    parser.add_argument(
        "--passphrase-file",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="with its passphrase, one for all keys or one for each; without it "
        f"{PASSPHRASE_VARIABLE} is read, or you are asked",
    )
    parser.add_argument(
        "--signer",
        action="append",
        default=[],
        metavar="URI",
        help="a key service to sign with, as securesystemslib names it: awskms:…, gcpkms:…, hsm:…",
    )


def add_exchange(parser: ArgumentParser) -> None:
    """Options for keys on a machine without a network."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--export", type=Path, metavar="FILE", help="write the bytes to sign instead of signing"
    )
    group.add_argument(
        "--import", type=Path, metavar="FILE", help="take the signatures that such a file came back with"
    )


def signers_of(options: Mapping[str, Any], known: Sequence[Key] = ()) -> list[Signer]:
    """The keys that the options name, unlocked; without any, the development keys, if there are such.

    Args:
        options: of the command.
        known: keys that a URI may be for, besides those of the repository.
    """
    if options["key"] or options["signer"]:
        return named_signers(options, [*known, *keys_in_use()] if options["signer"] else [])
    try:
        return development_signers()
    except (KeyRefused, NotInitialised):  # people hold the keys, and none of them is here
        return []


def named_signers(options: Mapping[str, Any], keys: Sequence[Key]) -> list[Signer]:
    """The keys that the options name, unlocked; `keys` are those that a URI may be for."""
    return signers_at_hand(
        files=options["key"],
        passphrase_files=options["passphrase_file"],
        uris=options["signer"],
        keys=keys,
    )


def told(standings: Sequence[Standing], command: str) -> str:
    """How far signing is, and who goes on."""
    lines = [f"  {standing}" for standing in standings]
    return "\n".join([*lines, f"Not published yet: another holder runs `{command}`."])
