"""A real OpenStack on one Debian host, for tests: Keystone, Glance, Placement, Nova, Neutron and what they need.

Everything runs in Linux namespaces of its own (processes, mounts, network), so it meets nothing of the host, and ending
the first process of them ends all of it. Only `/usr/bin/python3` and its standard library are needed to start.
"""
