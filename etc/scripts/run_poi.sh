#!/bin/bash
# An OpenStack by puppet-openstack-integration, the lightest true RDO deployment; the image has it prepared (element poi-requirements).
# NODEPOOL_POI_SCENARIO in the launcher's environment, or SCENARIO in /etc/poi-requirements of the image, names a scenario.
# nodepool-needs: ready-lib.sh openstack-user.sh
# nodepool-verify: verify_openstack.sh
set -eu
set -o pipefail
. ./ready-lib.sh
ready_begin "$@"
. ./openstack-user.sh

HOME_OF_POI=${POI_DIRECTORY:-/opt/puppet-openstack-integration}
export WORKSPACE=/var/tmp/poi
# shellcheck source=/dev/null
[ ! -r /etc/poi-requirements ] || . /etc/poi-requirements
export SCENARIO=${NODEPOOL_POI_SCENARIO:-${SCENARIO:-scenario001}}

explain() {
  grep -ahiE '(Error:|\(err\))' "$WORKSPACE"/puppet*.log 2> /dev/null | tail -n 2
  say "Puppet's log: $WORKSPACE/puppet.log"
}

step "looking at the node"
need_os centos:9 centos:10 ubuntu:22.04 ubuntu:24.04
need_ram 8000
need_disk 15
need_name
[ -x "$HOME_OF_POI/run_tests.sh" ] || lacks "there is no $HOME_OF_POI/run_tests.sh: build the image with the element poi-requirements"
needs_met
cd "$HOME_OF_POI"
[ -f "fixtures/$SCENARIO.pp" ] ||
  die "there is no scenario $SCENARIO; there are: $(cd fixtures && printf '%s ' ./*.pp | sed 's,\./,,g; s,\.pp,,g')"

step "running $SCENARIO"
mkdir -p "$WORKSPACE"
# repositories and modules are in the image; what a scenario makes is wanted here, not its test by Tempest
export PUPPET_PKG=puppet # that is RDO's; by itself it would want the one of Puppet's own repository
export MANAGE_REPOS=false MANAGE_PUPPET_MODULES=false ADD_SWAP=${ADD_SWAP:-false} TEMPEST_FROM_SOURCE=false
status=0
./run_tests.sh 2>&1 | while IFS= read -r line; do
  case $line in
    '| '*' |') printf '::step:: %s: %s\n' "$SCENARIO" "$(sed 's/^| *//; s/ *|$//' <<< "$line")" ;;
    *) say "$line" ;;
  esac
done || status=$?
# Tempest comes last and may fail on a deployment that is good: what counts is whether OpenStack answers
[ -r /root/openrc ] || die "$SCENARIO ended with status $status and left no /root/openrc"
[ $status = 0 ] || say "note: run_tests.sh ended with status $status"

step "making an external network and user01"
give_file keystonerc_admin 600 < /root/openrc
# shellcheck source=/dev/null
. /root/openrc
external_network external
user01

step "asking with the client"
ask_as_user
ready_end
