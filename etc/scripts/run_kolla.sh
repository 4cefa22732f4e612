#!/bin/bash
# Kolla-Ansible, all in one: OpenStack in containers; the image has it installed in /opt/kolla (element kolla-requirements).
# Settings of /etc/kolla/globals.d/*.yml in the image are added. NODEPOOL_KOLLA_REGISTRY names a registry nearby: containers are
# fetched on the node, and that is most of the time.
# nodepool-needs: ready-lib.sh openstack-user.sh
# nodepool-verify: verify_openstack.sh
set -eu
set -o pipefail
. ./ready-lib.sh
ready_begin "$@"
. ./openstack-user.sh

KOLLA=/opt/kolla
INVENTORY=$KOLLA/share/kolla-ansible/ansible/inventory/all-in-one
LOG=/var/log/kolla-ansible.log
export PATH=$KOLLA/bin:$PATH ANSIBLE_LOG_PATH=$LOG ANSIBLE_NOCOLOR=1

explain() {
  grep -ahE '(fatal:|ERROR!)' "$LOG" 2> /dev/null | tail -n 1 | cut -c -400
  say "Kolla's log: $LOG"
}

# Two interfaces are wanted: the first for its own traffic, the second for networks of the outside.
interfaces() {
  local names
  names=$(ip -o link show | awk -F': ' '$3 !~ /LOOPBACK/ { sub(/@.*/, "", $2); print $2 }' | grep -vE '^(docker|br-|veth|stack|ext|ovs)' || true)
  FIRST=$(ip -4 -o route show default | awk '{ for (i = 1; i < NF; i++) if ($i == "dev") { print $(i + 1); exit } }')
  FIRST=${FIRST:-${names%%$'\n'*}}
  SECOND=$(grep -vxF "$FIRST" <<< "$names" | head -n 1) || true
  if [ -z "$SECOND" ]; then
    SECOND=ext0
    unwired $SECOND
  fi
}

globals() {
  cat << END
---
network_interface: "$1"
neutron_external_interface: "$2"
kolla_internal_vip_address: "$(ip -4 -o address show "$1" | awk '{ sub(/\/.*/, "", $4); print $4; exit }')"
enable_haproxy: "no"
nova_compute_virt_type: "$([ -c /dev/kvm ] && echo kvm || echo qemu)"
END
  [ -z "${NODEPOOL_KOLLA_REGISTRY:-}" ] || printf 'docker_registry: "%s"\ndocker_registry_insecure: "yes"\n' "$NODEPOOL_KOLLA_REGISTRY"
}

# kolla WHAT: one playbook; each of its tasks is progress
kolla() {
  step "kolla-ansible $1"
  kolla-ansible "$1" -i "$INVENTORY" 2>&1 | while IFS= read -r line; do
    case $line in
      'PLAY ['*)
        line=${line#PLAY \[}
        printf '::step:: %s: %s\n' "$1" "${line%%]*}"
        ;;
      *) say "$line" ;;
    esac
  done
}

step "looking at the node"
need_os debian:12 debian:13 rocky:9 rocky:10 centos:9 centos:10 ubuntu:22.04 ubuntu:24.04
need_ram 8000
need_disk 35
need_name
registry=${NODEPOOL_KOLLA_REGISTRY:-quay.io}
need_dns "${registry%%[:/]*}"
[ -x $KOLLA/bin/kolla-ansible ] || lacks "there is no $KOLLA/bin/kolla-ansible: build the image with the element kolla-requirements"
needs_met

step "writing the settings"
interfaces
mkdir -p /etc/kolla
[ -s /etc/kolla/globals.yml ] || globals "$FIRST" "$SECOND" > /etc/kolla/globals.yml
if [ ! -s /etc/kolla/passwords.yml ]; then
  cp $KOLLA/share/kolla-ansible/etc_examples/kolla/passwords.yml /etc/kolla/
  kolla-genpwd
fi

for what in bootstrap-servers prechecks pull deploy post-deploy; do kolla $what; done

step "making an external network and user01"
sed 's/^for key in .*//' /etc/kolla/admin-openrc.sh | give_file keystonerc_admin 600
# shellcheck source=/dev/null
. /etc/kolla/admin-openrc.sh
external_network physnet1
user01

step "asking with the client"
ask_as_user
ready_end
