#!/bin/bash
# DevStack, all in one; the image has its checkouts and packages (element devstack-requirements). It is reached as user `stack`, and
# keystonerc_admin and keystonerc_demo are in the login user's home.
#
# local.conf is /etc/devstack/local.conf of the image when there is one; lines of NODEPOOL_DEVSTACK_LOCALRC in the launcher's
# environment (separated by `;`) are added to its localrc section.
# nodepool-needs: ready-lib.sh
# nodepool-verify: verify_openstack.sh
set -eu
set -o pipefail
. ./ready-lib.sh
ready_begin "$@"

DEVSTACK=${DEVSTACK_DIRECTORY:-/opt/stack/devstack}
LOG=/opt/stack/logs/stack.sh.log

explain() {
  grep -ahE '(\[ERROR\]|^Error|ERROR:)' "$LOG" 2> /dev/null | tail -n 2
  say "DevStack's log: $LOG"
}

local_conf() {
  if [ -r /etc/devstack/local.conf ]; then
    cat /etc/devstack/local.conf
  else
    cat << END
[[local|localrc]]
ADMIN_PASSWORD=$1
DATABASE_PASSWORD=$1
RABBIT_PASSWORD=$1
SERVICE_PASSWORD=$1
LOGFILE=$LOG
RECLONE=no
END
    [ -c /dev/kvm ] || echo LIBVIRT_TYPE=qemu
    ! ip -4 -o address show stack0 2> /dev/null | grep -q 172.31.99.1/ || echo HOST_IP=172.31.99.1
  fi
  # after the sections of an image's own file it would belong to the last of them
  [ -z "${NODEPOOL_DEVSTACK_LOCALRC:-}" ] || printf '[[local|localrc]]\n%s\n' "${NODEPOOL_DEVSTACK_LOCALRC//;/$'\n'}"
}

# rc USER PROJECT FILE: what DevStack's openrc sets, as a file of its own
rc() {
  # shellcheck disable=SC2016  # the inner shell is to expand it
  runuser -u stack -- bash -ec 'cd "$1"; set +u; . ./openrc "$2" "$3" > /dev/null 2>&1; env | sed -n "s/^OS_/export OS_/p"' \
    - "$DEVSTACK" "$1" "$2" | sed "s/=\(.*\)/='\1'/" | give_file "$3" 600
}

step "looking at the node"
need_os debian:12 debian:13 ubuntu:24.04 ubuntu:22.04 centos:9 centos:10 rhel:9 rhel:10 rocky:9 rocky:10
need_ram 8000
need_disk 20
need_name
[ -x "$DEVSTACK/stack.sh" ] || lacks "there is no $DEVSTACK/stack.sh: build the image with the element devstack-requirements"
getent passwd stack > /dev/null || lacks "there is no user stack: build the image with the element devstack-requirements"
needs_met

step "writing local.conf"
install -d -o stack -g stack "$(dirname "$LOG")"
[ -s "$DEVSTACK/local.conf" ] || local_conf "$(password)" | install -m 600 -o stack -g stack /dev/stdin "$DEVSTACK/local.conf"

step "running stack.sh"
# shellcheck disable=SC2016  # the inner shell is to expand it
runuser -u stack -- bash -ec 'cd "$1"; export HOME=/opt/stack; exec ./stack.sh' - "$DEVSTACK" < /dev/null 2>&1 |
  while IFS= read -r line; do
    # 2026-11-26 02:45:51.123 | Starting Keystone
    case ${line#*| } in
      Starting* | Installing* | Configuring* | Initializing* | 'Creating '*) printf '::step:: devstack: %s\n' "${line#*| }" ;;
      *) say "$line" ;;
    esac
  done

step "asking with the client"
rc admin admin keystonerc_admin
rc demo demo keystonerc_demo
runuser -u "$LOGIN_USER" -- bash -ec 'cd; . ./keystonerc_admin; openstack token issue -f value -c expires; openstack catalog list'
ready_end
