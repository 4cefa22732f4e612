"""A simulated cloud whose servers are one real machine: a stand-in with a real sshd, which takes its user data."""

import re

from nodepool_lite.clouds.driver import ServerSpec
from nodepool_lite.clouds.simulated import SimulatedCloud, SimulatedDriver
from tests.access.guest import Guest

KEYS = re.compile(r"-----BEGIN OPENSSH PRIVATE KEY-----[^-]+-----END OPENSSH PRIVATE KEY-----")


class BootingDriver(SimulatedDriver):
    """Does with the user data of a server what cloud-init would: the machine gets its host key."""

    def __init__(self, cloud: SimulatedCloud, pool_id: str, guest: Guest) -> None:
        super().__init__(cloud, pool_id)
        self._guest = guest

    def create_server(self, spec: ServerSpec) -> str:
        """Give the machine its host key, and let it be found."""
        (key,) = KEYS.findall(spec.user_data)
        lines = "\\n".join(line.strip() for line in key.splitlines())
        self._guest.do(f"printf '%b\\n' '{lines}' > /etc/ssh/ssh_host_ed25519_key; kill -HUP $(cat /run/sshd.pid)")
        return super().create_server(spec)
