"""How a client gets at the records: encrypted or not, as whom, and so for whom the znodes are that it makes."""

from typing import Any

from kazoo.security import OPEN_ACL_UNSAFE, make_acl, make_digest_acl_credential
from msgspec import Struct

from nodepool_lite.config.zookeeper import ZooKeeperAuth, ZooKeeperTls


class Access(Struct, frozen=True):
    """What nodepool.yaml says about TLS and authentication, or what the embedded server wants."""

    tls: ZooKeeperTls | None = None
    auth: ZooKeeperAuth | None = None
    embedded: bool = False

    @classmethod
    def with_secret(cls, secret: str) -> "Access":
        """Return the way to an embedded server."""
        return cls(auth=ZooKeeperAuth(scheme="digest", username="pool", password=secret), embedded=True)

    @property
    def digest(self) -> set[tuple[str, str]] | None:
        """What is sent to a server that takes passwords, in kazoo's form."""
        if self.auth is None or self.auth.scheme != "digest":
            return None
        return {("digest", f"{self.auth.username}:{self.auth.password}")}

    @property
    def acl(self) -> Any:
        """Who may do what with a znode of ours: we everything, and nobody else anything, if we are somebody."""
        if self.auth is None:
            return OPEN_ACL_UNSAFE
        user = self.auth.username
        identity = make_digest_acl_credential(user, self.auth.password) if self.auth.scheme == "digest" else user
        return [make_acl(self.auth.scheme, identity, all=True)]

    @property
    def when_refused(self) -> str:
        """What to look at when a server does not let us read or change a znode."""
        if self.embedded:
            return "was the pool made with another secret?"
        if self.auth is None:
            return "the records are for those who say who they are: give nodepool.yaml the pool's `zookeeper-auth`"
        who = f"the {self.auth.scheme} user {self.auth.username} with the password of `zookeeper-auth`"
        return f"the records are not for {who}: correct it, or see which one the pool was made with"


OPEN = Access()
"""To servers that ask nobody for anything."""
