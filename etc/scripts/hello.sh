#!/bin/sh
# A ready-script that does something to be seen: it leaves a file in the user's home.
#
# Called as `./hello.sh HOSTNAME` in /opt/nodepool-scripts, after the files in /etc/nodepool were written.
# Each line it prints is shown as the node's progress; an exit status other than 0 keeps the node out of the pool.
set -eu

node=${1:-$(hostname)}
role=$(cat /etc/nodepool/role 2>/dev/null || echo primary)

echo "hello.sh: looking around on $node ($role)"
# shellcheck source=/dev/null
system=$(. /etc/os-release && echo "$PRETTY_NAME")
memory=$(awk '/^MemTotal:/ { print int($2 / 1024) }' /proc/meminfo)

echo "hello.sh: writing $HOME/hello.txt"
cat > "$HOME/hello.txt" <<EOF
Hello from $node, a $role node.
It runs $system with $(nproc) cores and $memory MiB, and was prepared at $(date -u +%Y-%m-%dT%H:%M:%SZ).
Nobody has used it before you.
EOF

echo "hello.sh: done"
