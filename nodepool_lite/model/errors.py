"""The one tree of errors that the pool raises on purpose.

Every message names the thing, what was expected and what to do next. What is not in this tree is a bug.
"""


class NodepoolError(Exception):
    """Base of every error that a person may see."""

    exit_status = 1


class ConfigError(NodepoolError):
    """The configuration cannot be used. The message lists every problem, with file:line:column."""

    exit_status = 78


class NoSuchThingError(NodepoolError):
    """A node, lease, image or label that was named does not exist."""

    exit_status = 3


class WaitTimeoutError(NodepoolError):
    """What was waited for did not come in time."""

    exit_status = 4


class ScriptFileError(NodepoolError):
    """A script that a label or another script names is not on this host, or cannot be read."""


class StoreUnavailableError(NodepoolError):
    """ZooKeeper cannot be reached at the moment; nothing was changed, or it is unknown whether it was."""

    exit_status = 69


class StoreConflictError(NodepoolError):
    """Somebody else changed, made or removed the record since it was read; read again and decide anew."""


class UnreadableRecordError(NodepoolError):
    """There is a record of that name, and nobody can read it; it is left alone until a person has looked at it."""


class IllegalTransitionError(NodepoolError):
    """A state was asked for that cannot follow the present one."""


class CloudError(NodepoolError):
    """Base of what a cloud driver raises; every failure is mapped onto one of the four kinds below."""


class TryAgainLaterError(CloudError):
    """A passing failure: time-out, connection refused, overload. `retry_after` is in seconds, if it said."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class CapacityError(CloudError):
    """No room: quota used up, no host with enough memory, `max-servers` reached."""


class BadRequestError(CloudError):
    """It will never work as asked: a name that does not exist, an image that is broken, a program missing."""


class GoneError(CloudError):
    """The server or image that was named is not there any more."""


class AccessError(NodepoolError):
    """Base of what goes wrong on the way into a node, or with the keys for it."""


class NotYetReachableError(AccessError):
    """Nobody answered, or not in time: the machine may still be booting. Try again."""


class LoginRefusedError(AccessError):
    """sshd answered and did not let us in; while a machine boots this may pass. Try again."""


class HostKeyMismatchError(AccessError):
    """Another machine, or another key, than the pinned one answered. Never try again in silence."""


class SessionLostError(AccessError):
    """The connection ended, or an answer did not come in time; whether the command ran is unknown. Connect again."""


class RemoteError(AccessError):
    """The node answered, and what was asked cannot be done there: trying again will not help."""


class VerifyError(AccessError):
    """The node answered, and what it is there for does not work: its verify-script failed, or did not end."""


class KeyFileError(AccessError):
    """A private key of the pool cannot be read or made."""


class PublicKeyError(AccessError):
    """A public key that a person gave cannot be used."""

    exit_status = 2


class BuildFailedError(NodepoolError):
    """An image build ended without an image. The message is what its log says last of why."""


class BuildTimeoutError(NodepoolError):
    """An image build did not end within its `build-timeout` and was ended."""


class BuildStoppedError(NodepoolError):
    """An image build was ended because the builder stops; nothing is wrong with the diskimage."""
