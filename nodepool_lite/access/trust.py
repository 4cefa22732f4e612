"""Making a node's sshd take the pool's certificates, for this node alone."""

from collections.abc import Mapping
from dataclasses import dataclass

from nodepool_lite.access.session import Session
from nodepool_lite.access.shell import FileContent, as_root, embed, fill, replace_files
from nodepool_lite.model.errors import RemoteError

CA_FILE = "/etc/nodepool-ssh/ca.pub"
PRINCIPALS_FILE = "/etc/nodepool-ssh/principals"
DROP_IN = "/etc/ssh/sshd_config.d/50-nodepool.conf"

_CONFIGURE = """
set +e
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
sshd=$(command -v sshd) || { echo 'no sshd was found to ask for its configuration'; exit 0; }
takes() {
  settings=$("$sshd" -T -C user=root,host=localhost,addr=127.0.0.1 2> /dev/null)
  for wanted in 'trustedusercakeys @CA@' 'authorizedprincipalsfile @PRINCIPALS@'; do
    case "$settings" in *"$wanted"*) ;; *) return 1 ;; esac
  done
}
if takes; then echo configured; exit 0; fi
[ -d @FOLDER@ ] || { echo 'its sshd reads no @FOLDER@'; exit 0; }
umask 022
{ @SETTINGS@
} > @DROPIN@
if ! takes; then rm -f @DROPIN@; echo 'its sshd does not take settings from @FOLDER@'; exit 0; fi
# sshd writes its process id once it listens again, and answers nobody before. It writes none where systemd listens.
pid=$(cat /run/sshd.pid 2> /dev/null)
rm -f /run/sshd.pid
if systemctl reload ssh 2> /dev/null || systemctl reload sshd 2> /dev/null || kill -HUP "$pid" 2> /dev/null
then
  tries=0
  while [ -n "$pid" ] && [ ! -s /run/sshd.pid ] && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
  echo reloaded
else
  [ -z "$pid" ] || echo "$pid" > /run/sshd.pid
  echo 'its sshd could not be told to read its new settings'
fi
"""


@dataclass(frozen=True, slots=True)
class Trust:
    """Whether certificates of the pool open the node, and what was done for it, or what is in the way."""

    works: bool
    note: str


def trust_files(ca_public: str, node_id: str) -> Mapping[str, FileContent]:
    """Return the two files that sshd reads: whose certificates it takes, and for which principal."""
    return {CA_FILE: FileContent(f"{ca_public}\n".encode()), PRINCIPALS_FILE: FileContent(f"{node_id}\n".encode())}


def install_trust(session: Session, ca_public: str, node_id: str, timeout: float = 60) -> Trust:
    """Write the files, and a drop-in for an sshd that is not configured for them; one round trip, idempotent.

    Best effort: a node without sudo or with an unusual sshd is as good as before, and the answer says why not.

    Raises:
        SessionLostError: the connection ended, or the node did not answer in time.
    """
    body = as_root("\n".join(["owner=", replace_files(trust_files(ca_public, node_id)), _configure()]))
    try:
        result = session.script(body, timeout)
    except RemoteError as error:
        return Trust(works=False, note=str(error))
    answer = result.stdout.decode(errors="replace").strip()
    if answer == "configured":
        return Trust(works=True, note="its sshd was configured for the pool's certificates")
    if answer == "reloaded":
        return Trust(works=True, note=f"its sshd was told to take the pool's certificates ({DROP_IN})")
    return Trust(works=False, note=f"it takes no certificates of the pool: {answer or result.complaint}")


def _configure() -> str:
    settings = f"TrustedUserCAKeys {CA_FILE}\nAuthorizedPrincipalsFile {PRINCIPALS_FILE}\n"
    return fill(
        _CONFIGURE,
        CA=CA_FILE,
        PRINCIPALS=PRINCIPALS_FILE,
        FOLDER=DROP_IN.rpartition("/")[0],
        SETTINGS=embed(settings.encode()),
        DROPIN=DROP_IN,
    )
