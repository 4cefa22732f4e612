"""Which Java program is ZooKeeper on this host, and how it is told to serve one small pool."""

import os
import shutil
from pathlib import Path

from nodepool_lite.model.errors import StoreUnavailableError

_DEBIAN = Path("/usr/share/java/zookeeper.jar")
_HOMES = tuple(Path(each) for each in ("/usr/share/zookeeper", "/usr/lib/zookeeper", "/opt/zookeeper"))
_HOW_TO = (
    "install it (Debian, Ubuntu: `apt-get install zookeeper`; elsewhere: a Java runtime, and ZooKeeper 3.6 or later "
    "unpacked in /opt/zookeeper or $ZOOKEEPER_HOME), or name a running ZooKeeper under `zookeeper-servers`"
)

CONFIG = """\
tickTime=2000
dataDir={data}
clientPort={port}
clientPortAddress=127.0.0.1
maxClientCnxns=500
admin.enableServer=false
4lw.commands.whitelist=srvr
snapCount=20000
preAllocSize=1024
autopurge.snapRetainCount=3
autopurge.purgeInterval=1
"""
"""zoo.cfg; sizes in KiB, tick in milliseconds, purge interval in hours (ZooKeeper Administrator's Guide)."""

_LOGBACK = """\
<configuration>
  <appender name="err" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%date %level %logger{0} %msg%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="err"/></root>
</configuration>
"""


def command(config: Path) -> list[str]:
    """Return the command that serves `config` in the foreground, and is killed when the thread that ran it dies.

    Raises:
        StoreUnavailableError: Java, ZooKeeper or setpriv is not installed; says what to install.
    """
    for program in ("java", "setpriv"):
        if not shutil.which(program):
            raise StoreUnavailableError(f"the embedded ZooKeeper needs {program}, which is not on PATH: {_HOW_TO}")
    classpath = _classpath()
    logback = config.with_name("logback.xml")
    logback.write_text(_LOGBACK)
    return [
        *("setpriv", "--pdeathsig", "KILL", "java"),
        *("-Xmx128m", "-Xms16m", "-Xshare:auto", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"),
        *("-XX:+ExitOnOutOfMemoryError", "-Djava.awt.headless=true", "-Dzookeeper.jmx.log4j.disable=true"),
        *("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true"),
        *(f"-Dlogback.configurationFile={logback}", "-cp", ":".join(map(str, classpath))),
        *("org.apache.zookeeper.server.quorum.QuorumPeerMain", str(config)),
    ]


def _classpath() -> list[Path]:
    named = os.environ.get("ZOOKEEPER_HOME")
    for home in (Path(named),) if named else _HOMES:
        jars = [*sorted(home.glob("*.jar")), *sorted(home.glob("lib/*.jar"))]
        if any(jar.name.startswith("zookeeper-") for jar in jars):
            return jars
    if named:
        raise StoreUnavailableError(f"ZOOKEEPER_HOME is {named}, but there is no zookeeper-*.jar in it or its lib/")
    if _DEBIAN.exists():  # its manifest names what it needs; the logger is left to us
        return [_DEBIAN, _DEBIAN.with_name("slf4j-simple.jar")]
    raise StoreUnavailableError(f"the embedded ZooKeeper needs the jars of ZooKeeper, which are not there: {_HOW_TO}")
