#!/bin/bash
# An OpenStack of Debian 12's own packages, all in one: keystone, glance and placement, and nova with its fake hypervisor and
# neutron where the image has them (element openstack-debian, OPENSTACK_DEBIAN_SERVICES). It leaves keystonerc_admin and
# keystonerc_user01 in the login user's home. May be run again: passwords and data stay.
# nodepool-needs: ready-lib.sh openstack-debian-conf.sh openstack-debian-units.sh openstack-debian-fill.py openstack-user.sh
# nodepool-verify: verify_openstack.sh
set -eu
. ./ready-lib.sh
ready_begin "$@"
. ./openstack-user.sh
. ./openstack-debian-conf.sh
. ./openstack-debian-units.sh

explain() {
  systemctl --failed --plain --no-legend | sed 's/^/failed unit: /'
  [ ! -s "$LOGS" ] || tail -n 3 "$LOGS"
}

step "looking at the node"
SERVICES=$(cat /etc/openstack-debian/services 2> /dev/null || echo "keystone glance placement")
has() { [[ " $SERVICES " = *" $1 "* ]]; }
need_os debian:12
need_name
need_command keystone-manage "build the image with the element openstack-debian"
need_command curl "build the image with the element openstack-debian"
if has nova; then
  need_ram 4096
  need_disk 2
else
  need_ram 1024
  need_disk 1
fi
needs_met
mkdir -p /etc/openstack-debian
chmod 700 /etc/openstack-debian
LOGS=/etc/openstack-debian/ready.log
: > "$LOGS"
passwords

step "giving the services their address"
units_address
systemctl daemon-reload
systemctl start stack-address

step "writing the configuration"
conf_keystone
conf_glance
conf_placement
! has nova || conf_nova
! has neutron || conf_neutron
units_all
systemctl daemon-reload
systemctl start --no-block memcached
! has nova || systemctl start --no-block rabbitmq-server

step "preparing the data bases"
data_bases

step "keystone-manage bootstrap"
# glance and placement need it only when somebody asks them
systemctl start --no-block placement-api glance-api
as keystone keystone-manage bootstrap --bootstrap-password "$ADMIN_PASSWORD" --bootstrap-region-id RegionOne \
  --bootstrap-admin-url $KEYSTONE --bootstrap-internal-url $KEYSTONE --bootstrap-public-url $KEYSTONE >> "$LOGS" 2>&1
systemctl start keystone
wait_for 1200 "keystone does not answer at $KEYSTONE" answers $KEYSTONE

if has nova || has neutron; then
  step "starting nova and neutron"
  wait_for 1200 "rabbitmq does not start" rabbitmqctl -q await_startup > /dev/null
  ! has neutron || systemctl start --no-block neutron-server
  ! has nova || systemctl start --no-block nova-conductor nova-scheduler
fi

step "filling the catalog"
fill catalog
keystonerc keystonerc_admin admin admin "$ADMIN_PASSWORD"
keystonerc keystonerc_user01 user01 user01 "$USER_PASSWORD"

step "waiting for the other services"
wait_for 1200 "glance does not answer at $GLANCE" answers $GLANCE
wait_for 1200 "placement does not answer at $PLACEMENT" answers $PLACEMENT
if has neutron; then
  wait_for 1200 "neutron does not answer at $NEUTRON" answers $NEUTRON
  systemctl start --no-block neutron-linuxbridge-agent
fi
if has nova; then
  systemctl start nova-api
  wait_for 1200 "nova does not answer at $NOVA" answers $NOVA
  step "waiting for nova's hypervisor"
  systemctl start nova-compute-fake
  wait_for 1200 "no hypervisor reports to nova" fill hypervisor
  as nova nova-manage cell_v2 discover_hosts >> "$LOGS" 2>&1
fi

step "making an image, a network and a server"
fill content
units_at_boot

step "asking with the client"
ask_as_user
ready_end
