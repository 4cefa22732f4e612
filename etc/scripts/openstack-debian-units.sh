# shellcheck shell=bash
# The units and data bases of run_openstack_debian.sh.

# unit NAME: standard input becomes the unit
unit() { cat > "/etc/systemd/system/$1.service"; }

units_address() {
  unit stack-address << END
[Unit]
Description=Address of the OpenStack services
DefaultDependencies=no
Before=network-pre.target
Wants=network-pre.target
[Service]
Type=oneshot
RemainAfterExit=yes
# A kernel without dummy interfaces has bridges
ExecStart=/bin/sh -ec 'for name in stack0 ext0; do ip link show \$name > /dev/null 2>&1 || ip link add \$name type dummy || ip link add \$name type bridge; ip link set \$name up; done; ip address replace $ADDRESS/32 dev stack0'
[Install]
WantedBy=sysinit.target
END
}

# wsgi NAME USER PORT FILE VARIABLE: a unit that has uWSGI serve it
wsgi() {
  unit "$1" << END
[Unit]
Description=OpenStack $1
After=stack-address.service memcached.service mariadb.service
Requires=stack-address.service
Wants=memcached.service
[Service]
User=$2
Environment=$5 PYTHONWARNINGS=ignore
WorkingDirectory=/var/lib/$2
ExecStart=/usr/bin/uwsgi_python3 --http-socket $ADDRESS:$3 --wsgi-file $4 --master --processes 1 --threads 4 --lazy-apps --die-on-term --need-app --buffer-size 65535 --listen 64 --disable-logging --add-header "Connection: close"
Restart=on-failure
RestartSec=2
TimeoutStopSec=15
LimitNOFILE=65535
[Install]
WantedBy=multi-user.target
END
}

# plain NAME USER COMMAND...: a unit for a process of its own
plain() {
  unit "$1" << END
[Unit]
Description=OpenStack $1
After=stack-address.service memcached.service mariadb.service rabbitmq-server.service
Requires=stack-address.service
[Service]
User=$2
Environment=PYTHONWARNINGS=ignore
WorkingDirectory=/var/lib/${1%%-*}
ExecStart=${*:3}
Restart=on-failure
RestartSec=5
TimeoutStopSec=15
LimitNOFILE=65535
[Install]
WantedBy=multi-user.target
END
}

units_all() {
  UNITS=(keystone placement-api glance-api)
  wsgi keystone keystone 5000 /usr/bin/keystone-wsgi-public OS_KEYSTONE_CONFIG_FILES=/etc/keystone/keystone.conf
  wsgi placement-api placement 8778 /usr/bin/placement-api OS_PLACEMENT_CONFIG_DIR=/etc/placement
  plain glance-api glance /usr/bin/glance-api --config-file /etc/glance/glance-api.conf
  printf '%s\n' -l 127.0.0.1 -p 11211 -m 32 -u memcache > /etc/memcached.conf
  if has nova; then
    UNITS+=(nova-api nova-conductor nova-scheduler nova-compute-fake)
    wsgi nova-api nova 8774 /usr/bin/nova-api-wsgi OS_NOVA_CONFIG_DIR=/etc/nova
    plain nova-conductor nova /usr/bin/nova-conductor --config-file /etc/nova/nova.conf
    plain nova-scheduler nova /usr/bin/nova-scheduler --config-file /etc/nova/nova.conf
    # Debian's nova-compute would bring libvirt along
    plain nova-compute-fake nova /usr/bin/python3 -c "'import sys; from nova.cmd.compute import main; sys.exit(main())'" \
      --config-file /etc/nova/nova.conf
  fi
  if has neutron; then
    UNITS+=(neutron-server neutron-linuxbridge-agent)
    plain neutron-server neutron /usr/bin/neutron-server --config-file /etc/neutron/neutron.conf
    plain neutron-linuxbridge-agent root /usr/bin/neutron-linuxbridge-agent --config-file /etc/neutron/neutron.conf
  fi
}

# Links, not `systemctl enable`: that runs update-rc.d for each unit with an init script, seconds each without KVM.
units_at_boot() {
  local wants=/etc/systemd/system each
  mkdir -p $wants/{sysinit,multi-user}.target.wants
  ln -sf ../stack-address.service $wants/sysinit.target.wants/
  for each in "${UNITS[@]}"; do ln -sf "../$each.service" $wants/multi-user.target.wants/; done
  for each in memcached mariadb rabbitmq-server; do
    [ ! -e /lib/systemd/system/$each.service ] || ln -sf /lib/systemd/system/$each.service $wants/multi-user.target.wants/
  done
}

data_bases() {
  local name owner
  if ! with_mariadb; then
    for name in keystone glance placement; do
      [ -e /var/lib/$name/$name.sqlite ] ||
        install -m 600 -o $name -g $name /var/lib/openstack-presync/$name.sqlite /var/lib/$name/$name.sqlite
    done
    return
  fi
  cat > /etc/mysql/mariadb.conf.d/90-openstack-debian.cnf << END
[mysqld]
skip-networking
skip-name-resolve
performance_schema=off
innodb_flush_log_at_trx_commit=0
innodb_doublewrite=0
innodb_buffer_pool_size=128M
max_connections=500
END
  systemctl start mariadb
  for name in keystone glance placement nova_api nova nova_cell0 neutron; do
    owner=${name/nova_cell0/nova}
    echo "CREATE USER IF NOT EXISTS '$owner'@'localhost';"
    echo "ALTER USER '$owner'@'localhost' IDENTIFIED BY '$DATABASE_PASSWORD';"
    echo "GRANT ALL ON $name.* TO '$owner'@'localhost';"
  done | mariadb
  if has nova; then
    # the cells were mapped when the image was made, with addresses of that time
    mariadb nova_api << END
UPDATE cell_mappings SET database_connection='$(database_url nova)', transport_url='rabbit://guest:guest@127.0.0.1:5672//' WHERE name='cell1';
UPDATE cell_mappings SET database_connection='$(database_url nova | sed 's,localhost/nova?,localhost/nova_cell0?,')' WHERE name='cell0';
END
  fi
}
