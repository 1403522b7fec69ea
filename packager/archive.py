"""The archive of a bundle: a zip with one byte form per content.

Members are stored (not deflated), sorted by name, with fixed times and attributes: equal members give
equal bytes. Reading encodes what was read again and compares: whatever is not in that form, a single flipped
header byte included, is refused. Any zip tool can open the archive.

Format: PKWARE APPNOTE 6.3.3, sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.16 (end record).
"""

import os
import re
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from tempfile import NamedTemporaryFile

from packager.errors import BundleInvalid

MAX_BYTES = 256 * 1024 * 1024
MAX_MEMBERS = 64
MAX_NAME = 200

LOCAL = struct.Struct("<IHHHHHIIIHH")
CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
END = struct.Struct("<IHHHHIIH")
LOCAL_MAGIC, CENTRAL_MAGIC, END_MAGIC = 0x04034B50, 0x02014B50, 0x06054B50
# 1 January 1980, the first day that a zip can name, at midnight.
DATE, TIME = 0x0021, 0
VERSION, MADE_ON_UNIX = 20, 3 << 8 | 20
# A regular file that everyone may read, in the upper half, where Unix keeps it.
ATTRIBUTES = 0o100644 << 16

SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")


def encode(members: Mapping[str, bytes]) -> bytes:
    """The archive's bytes.

    Raises:
        BundleInvalid: a name is not safe, or there are too many members or bytes.
    """
    check_names(list(members))
    body, directory = bytearray(), bytearray()
    for name in sorted(members):
        content, label = members[name], name.encode()
        common = (0, 0, TIME, DATE, zlib.crc32(content), len(content), len(content), len(label), 0)
        directory += CENTRAL.pack(
            CENTRAL_MAGIC, MADE_ON_UNIX, VERSION, *common, 0, 0, 0, ATTRIBUTES, len(body)
        )
        directory += label
        body += LOCAL.pack(LOCAL_MAGIC, VERSION, *common) + label + content
    end = END.pack(END_MAGIC, 0, 0, len(members), len(members), len(directory), len(body), 0)
    if len(body) + len(directory) + len(end) > MAX_BYTES:
        raise _too_large(len(body) + len(directory) + len(end))
    return bytes(body + directory + end)


def decode(data: bytes) -> dict[str, bytes]:
    """The members of an archive, by name.

    Raises:
        BundleInvalid: not an archive in the one form that `encode` gives, or damaged.
    """
    if len(data) > MAX_BYTES:
        raise _too_large(len(data))
    if data[:4] != LOCAL_MAGIC.to_bytes(4, "little"):
        raise BundleInvalid(
            f"This is not a bundle: it starts with {data[:4].hex() or 'nothing'}, a bundle with 504b0304. "
            "Give the path of an archive that `package` wrote."
        )
    members: dict[str, bytes] = {}
    offset = 0
    while data[offset : offset + 4] == LOCAL_MAGIC.to_bytes(4, "little"):
        name, content, offset = _read_member(data, offset)
        if name in members:
            raise BundleInvalid(f"The archive holds {name!r} twice; once is allowed. Build it again.")
        members[name] = content
        if len(members) > MAX_MEMBERS:
            raise BundleInvalid(f"The archive has more than {MAX_MEMBERS} members. It is not a bundle.")
    _check_canonical(data, members)
    return members


def check_names(names: list[str]) -> None:
    """Refuse names that could leave a folder, or that two file systems would understand differently.

    Raises:
        BundleInvalid: a name escapes, is not plain ASCII, or is equal to another but for its case.
    """
    if len(names) > MAX_MEMBERS:
        raise BundleInvalid(f"{len(names)} members were given; an archive holds at most {MAX_MEMBERS}.")
    for name in names:
        if len(name) > MAX_NAME or not SAFE_NAME.fullmatch(name):
            raise BundleInvalid(
                f"{name[:MAX_NAME]!r} is not a name for a member; allowed are relative paths of letters, "
                f"digits, '_', '-' and '.', no part beginning with '.' or '-', at most {MAX_NAME} long."
            )
    folded = {name.casefold() for name in names}
    parents = {str(parent) for name in folded for parent in PurePosixPath(name).parents}
    if len(folded) < len(names) or folded & parents:
        raise BundleInvalid(
            f"Two members would be one file on some devices: {', '.join(sorted(names))}. "
            "Names must differ by more than case, and a file cannot be a folder."
        )


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file that is there whole or not at all, even when the power fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    _sync_folder(path.parent)


def _read_member(data: bytes, offset: int) -> tuple[str, bytes, int]:
    header = data[offset : offset + LOCAL.size]
    if len(header) < LOCAL.size:
        raise _truncated(len(data))
    _, _, _, method, _, _, crc, packed, size, name_size, extra = LOCAL.unpack(header)
    start = offset + LOCAL.size + name_size + extra
    label = data[offset + LOCAL.size : offset + LOCAL.size + name_size]
    if method or packed != size:
        raise BundleInvalid(
            f"Member {label[:MAX_NAME]!r} is compressed (method {method}, {packed} for {size} bytes); "
            "a bundle's members are stored. This zip is not a bundle."
        )
    if start + size > len(data):
        raise _truncated(len(data))
    try:
        name = label.decode("ascii")
    except UnicodeDecodeError as error:
        raise BundleInvalid(f"{label[:MAX_NAME]!r} is not a name for a member: it is not ASCII.") from error
    content = data[start : start + size]
    if zlib.crc32(content) != crc:
        raise BundleInvalid(
            f"Member {name!r} is damaged: its CRC-32 is {zlib.crc32(content):08x}, its header says "
            f"{crc:08x}. Download or build the bundle again."
        )
    return name, content, start + size


def _check_canonical(data: bytes, members: Mapping[str, bytes]) -> None:
    again = encode(members)
    if again == data:
        return
    if len(data) < len(again) and again.startswith(data):
        raise _truncated(len(data))
    raise BundleInvalid(
        f"The archive differs at byte {_first_difference(data, again)} of {len(data)} from the one form that "
        "its members allow: it was damaged or written by another tool. Download or build it again."
    )


def _first_difference(one: bytes, other: bytes) -> int:
    """How many leading bytes are equal, by halving."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _truncated(size: int) -> BundleInvalid:
    return BundleInvalid(f"The archive ends after {size} bytes, too early. Download it again.")


def _too_large(size: int) -> BundleInvalid:
    return BundleInvalid(f"The archive would have {size} bytes; a bundle has at most {MAX_BYTES}.")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
