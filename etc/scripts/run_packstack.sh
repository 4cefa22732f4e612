#!/bin/bash
# An RDO OpenStack by Packstack, all in one, on CentOS Stream; the image has it prepared (elements rdo-requirements, packstack-ready).
# It leaves keystonerc_admin and keystonerc_user01 in the login user's home, an external network and a user01.
#
# Every answer of Packstack can be given: as PACKSTACK_CONFIG_X=... in the env-vars of the diskimage, or as
# NODEPOOL_PACKSTACK_CONFIG_X=... in the launcher's environment, which wins. May be run again: answers and passwords stay.
# nodepool-needs: ready-lib.sh openstack-user.sh
# nodepool-verify: verify_openstack.sh
set -eu
set -o pipefail
. ./ready-lib.sh
ready_begin "$@"
. ./openstack-user.sh

ANSWERS=${PACKSTACK_ANSWERS:-/root/packstack-answers.txt}
FIXED=/etc/packstack-ready/address
GIVEN=/etc/packstack-ready/answers
LOGS=/var/tmp/packstack
OUTPUT=/root/packstack-output.log

# The last words of a run that failed: what Packstack said, which log has the rest, and the first error of Puppet in it.
explain() {
  local run log
  run=$(find "$LOGS" -mindepth 1 -maxdepth 1 -type d -newer "$ANSWERS" 2> /dev/null | sort | tail -n 1) || return 0
  [ ! -s "$OUTPUT" ] || grep -a 'ERROR' "$OUTPUT" | sed 's/\x1b\[[0-9;]*m//g' | tail -n 1
  [ -n "$run" ] || return 0
  log=$(grep -alE '^(.\[[0-9;]*m)?Error:' "$run"/manifests/*.log 2> /dev/null | tail -n 1) || log=$run/openstack-setup.log
  grep -aE -m 1 'Error:' "$log" 2> /dev/null | sed 's/\x1b\[[0-9;]*m//g' || true
  say "Packstack's log: $log"
}

# answer NAME VALUE: what Packstack does not know is refused here, as it would refuse it after minutes.
answer() {
  grep -q "^$1=" "$ANSWERS" || die "this Packstack has no answer $1 (given as PACKSTACK_$1); see: packstack --options"
  awk -v line="$1=$2" -v name="$1=" 'index($0, name) == 1 { $0 = line } { print }' "$ANSWERS" > "$ANSWERS.new"
  cat "$ANSWERS.new" > "$ANSWERS"
  rm -f "$ANSWERS.new"
}

# answer_hosts ADDRESS: whatever is a host in the answers is this node, by the address that stays.
answer_hosts() {
  local name
  for name in CONTROLLER_HOST COMPUTE_HOSTS NETWORK_HOSTS STORAGE_HOST AMQP_HOST MARIADB_HOST REDIS_HOST; do
    ! grep -q "^CONFIG_$name=" "$ANSWERS" || answer "CONFIG_$name" "$1"
  done
}

answer_given() {
  local line name
  if [ -r "$GIVEN" ]; then
    while IFS= read -r line; do
      [ -z "$line" ] || answer "${line%%=*}" "${line#*=}"
    done < "$GIVEN"
  fi
  for name in $(compgen -e PACKSTACK_CONFIG_) $(compgen -e NODEPOOL_PACKSTACK_CONFIG_); do
    answer "CONFIG_${name#*PACKSTACK_CONFIG_}" "${!name}"
  done
}

# Packstack logs in to its own host as root.
root_key() {
  install -d -m 700 /root/.ssh
  [ -s /root/.ssh/id_rsa ] || ssh-keygen -q -t rsa -b 3072 -N '' -C packstack -f /root/.ssh/id_rsa
  grep -qxFf /root/.ssh/id_rsa.pub /root/.ssh/authorized_keys 2> /dev/null ||
    cat /root/.ssh/id_rsa.pub >> /root/.ssh/authorized_keys
  chmod 600 /root/.ssh/authorized_keys
}

# Packstack's own progress becomes ours; dots and turning bars do not.
progress() {
  local line
  while IFS= read -r line; do
    case $line in
      Applying* | Preparing* | Installing* | Copying* | 'Setting up'* | Discovering* | 'Adding '*) printf '::step:: packstack: %s\n' "${line%%  *}" ;;
      'Testing if'*) ;;
      *) say "$line" ;;
    esac
  done
}

step "looking at the node"
need_os centos:9 centos:10 rhel:9 rhel:10 rocky:9 almalinux:9
need_ram 8192
need_disk 15
need_command packstack "build the image with the element rdo-requirements, or: dnf install openstack-packstack"
need_name
hostname -f 2> /dev/null | grep -q '\.' || lacks "its name $(hostname) has no domain, which Packstack wants: see /etc/hosts (element packstack-ready)"
[ "$(getenforce 2> /dev/null || echo Disabled)" != Enforcing ] || lacks "SELinux is enforcing, and RabbitMQ would not start: element rdo-requirements, or setenforce 0"
needs_met
[ "$(awk '/^MemTotal:/ { print int($2 / 1024) }' /proc/meminfo)" -ge 15000 ] || say "note: Packstack recommends 16 GiB of memory"

step "writing the answers"
root_key
[ -s "$ANSWERS" ] || packstack --gen-answer-file="$ANSWERS"
if [ -r "$FIXED" ]; then
  systemctl start packstack-ready-address
  answer_hosts "$(cat "$FIXED")"
fi
answer CONFIG_SSH_KEY /root/.ssh/id_rsa.pub
answer CONFIG_PROVISION_DEMO n
answer CONFIG_SERVICE_WORKERS 2
[ -c /dev/kvm ] || answer CONFIG_NOVA_LIBVIRT_VIRT_TYPE qemu
answer_given

step "running packstack"
packstack --answer-file="$ANSWERS" --timeout=1800 2>&1 | tee "$OUTPUT" |
  sed -u 's/\x1b\[[0-9;]*m//g; s/.*\r//; s/\x08//g' | progress
[ -s /root/keystonerc_admin ] || die "Packstack left no /root/keystonerc_admin"

step "making an external network and user01"
give_file keystonerc_admin 600 < /root/keystonerc_admin
# shellcheck source=/dev/null
. /root/keystonerc_admin
external_network "$(sed -n 's/^CONFIG_NEUTRON_OVN_EXTERNAL_PHYSNET=//p' "$ANSWERS")"
user01

step "asking with the client"
ask_as_user
ready_end
