"""Many nodes on simulated servers: how fast, and at what cost to the processor, to memory and to ZooKeeper."""
