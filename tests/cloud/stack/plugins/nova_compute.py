"""nova-compute with the driver beside this file; Nova only loads drivers from its own package `nova.virt`."""

import sys
from pathlib import Path

# This import comes first: it patches the standard library for green threads.
from nova.cmd import compute  # isort: skip
import nova.virt

nova.virt.__path__.append(str(Path(__file__).parent / "nova_virt"))
sys.argv[0] = "nova-compute"
sys.exit(compute.main())
