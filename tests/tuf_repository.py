"""A repository of The Update Framework in memory, whose keys a test can steal, lose and rotate.

`publish` signs what stands in its parts and adds it to `served`; an attack changes `served`, or signs with
keys that it should not have. The idea is python-tuf's own repository simulator.
"""

import hashlib
from datetime import UTC, datetime, timedelta

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Key,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

TOP = ("root", "targets", "snapshot", "timestamp")
PATHS = {
    "rollout": "catalog/*/*",
    "ios": "bundles/ios/*",
    "android": "bundles/android/*",
    "linux": "bundles/linux/*",
}
YEAR = timedelta(days=365)


class Repository:
    """Roles, their keys and their metadata; `served` is what a client can download by name."""

    def __init__(self):
        self.signers = {role: [CryptoSigner.generate_ed25519()] for role in (*TOP, *PATHS)}
        self.thresholds = dict.fromkeys(self.signers, 1)
        self.lifetimes = dict.fromkeys(self.signers, YEAR)
        self.versions = dict.fromkeys(self.signers, 0)
        self.targets = {role: {} for role in PATHS}
        self.served = {}
        self.files = {}
        self.sign_root(self.signers["root"])

    @property
    def first_root(self):
        return self.served["1.root.json"]

    def add_file(self, role, path, content):
        """A target whose bytes are served; gives its description."""
        digest = hashlib.sha256(content).hexdigest()
        folder, _, name = path.rpartition("/")
        self.files[f"{folder}/{digest}.{name}"] = content
        return self.describe(role, path, len(content), digest)

    def describe(self, role, path, size, digest, custom=None):
        """Sign for a target next time."""
        fields = {"custom": custom} if custom else None
        self.targets[role][path] = TargetFile(size, {"sha256": digest}, path, fields)
        return self.targets[role][path]

    def publish(self):
        """Sign everything anew, in the order in which each names the one before."""
        contents = {"targets": self._signed("targets", self._top_targets())}
        for role in PATHS:
            contents[role] = self._signed(role, Targets(targets=dict(self.targets[role])))
        meta = {f"{role}.json": self._meta(role, content) for role, content in contents.items()}
        snapshot = self._signed("snapshot", Snapshot(meta=meta))
        timestamp = self._signed("timestamp", Timestamp(snapshot_meta=self._meta("snapshot", snapshot)))
        for role, content in {**contents, "snapshot": snapshot}.items():
            self.served[f"{self.versions[role]}.{role}.json"] = content
        self.served["timestamp.json"] = timestamp

    def rotate(self, *roles, keys=1, threshold=1):
        """Give roles new keys by a new root, which the old root keys sign too; then sign everything anew."""
        before = self.signers["root"]
        for role in roles:
            self.signers[role] = [CryptoSigner.generate_ed25519() for _ in range(keys)]
            self.thresholds[role] = threshold
        self.sign_root([*before, *self.signers["root"]])
        self.publish()

    def sign_root(self, signers):
        """Serve the next root, signed by whom a test likes."""
        root = Root(consistent_snapshot=True)
        for role in TOP:
            for signer in self.signers[role]:
                root.add_key(signer.public_key, role)
            root.roles[role].threshold = self.thresholds[role]
        content = self._signed("root", root, signers)
        self.served[f"{self.versions['root']}.root.json"] = content

    def _top_targets(self):
        keys: dict[str, Key] = {}
        roles = {}
        for role, path in PATHS.items():
            public = [signer.public_key for signer in self.signers[role]]
            keys |= {key.keyid: key for key in public}
            names = [key.keyid for key in public]
            roles[role] = DelegatedRole(role, names, self.thresholds[role], terminating=True, paths=[path])
        return Targets(delegations=Delegations(keys, roles))

    def _signed(self, role, document, signers=None):
        self.versions[role] += 1
        document.version = self.versions[role]
        document.expires = (datetime.now(UTC) + self.lifetimes[role]).replace(microsecond=0)
        metadata = Metadata(document)
        given = {signer.public_key.keyid: signer for signer in signers or self.signers[role]}
        for signer in given.values():
            metadata.sign(signer, append=True)
        return metadata.to_bytes()

    def _meta(self, role, content):
        digest = hashlib.sha256(content).hexdigest()
        return MetaFile(self.versions[role], len(content), {"sha256": digest})
