"""What the pool recorded: typed records in ZooKeeper, an immutable view of them, compare-and-set writes."""
