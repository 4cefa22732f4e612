# shellcheck shell=bash
# The configuration of the services of run_openstack_debian.sh. All live on one address of no real network, so that the
# node's own may change; passwords are made once and kept.

ADDRESS=172.31.99.1
KEYSTONE=http://$ADDRESS:5000/v3
GLANCE=http://$ADDRESS:9292
PLACEMENT=http://$ADDRESS:8778
NOVA=http://$ADDRESS:8774/v2.1
NEUTRON=http://$ADDRESS:9696
KEPT=/etc/openstack-debian/passwords

passwords() {
  local name
  if [ ! -s "$KEPT" ]; then
    (umask 077; for name in ADMIN USER SERVICE DATABASE; do echo "${name}_PASSWORD=$(password)"; done > "$KEPT")
  fi
  # shellcheck source=/dev/null
  . "$KEPT"
}

# Small data bases are files; with nova and neutron there are too many writers for that.
with_mariadb() { [ -d /var/lib/mysql/nova ]; }

database_url() {
  if with_mariadb; then
    echo "mysql+pymysql://$1:$DATABASE_PASSWORD@localhost/$1?unix_socket=/run/mysqld/mysqld.sock&charset=utf8"
  else
    echo "sqlite:////var/lib/$1/$1.sqlite"
  fi
}

# authentication SECTION USER: how a service asks keystone
authentication() {
  cat << END
[$1]
auth_type = password
auth_url = $KEYSTONE
project_domain_name = Default
user_domain_name = Default
project_name = service
username = $2
password = $SERVICE_PASSWORD
region_name = RegionOne
END
}

token_check() {
  authentication keystone_authtoken "$1"
  cat << END
www_authenticate_uri = $KEYSTONE
memcached_servers = 127.0.0.1:11211
service_token_roles_required = true
END
}

# conf SERVICE FILE: standard input becomes its configuration
conf() {
  install -m 640 -o root -g "$1" /dev/stdin "/etc/$1/$2"
}

conf_keystone() {
  local repository key
  conf keystone keystone.conf << END
[DEFAULT]
log_dir = /var/log/keystone
[database]
connection = $(database_url keystone)
[token]
provider = fernet
expiration = 86400
[fernet_tokens]
key_repository = /etc/keystone/fernet-keys
[credential]
key_repository = /etc/keystone/credential-keys
[identity]
# the least cost of bcrypt: twelve rounds take a second each where the processor is emulated
password_hash_rounds = 4
[cache]
enabled = true
backend = dogpile.cache.pymemcache
memcache_servers = 127.0.0.1:11211
[oslo_messaging_notifications]
driver = noop
[oslo_policy]
enforce_scope = false
END
  # what keystone-manage fernet_setup and credential_setup do, without starting Python twice
  for repository in fernet-keys credential-keys; do
    install -d -m 700 -o keystone -g keystone "/etc/keystone/$repository"
    for key in 0 1; do
      [ -s "/etc/keystone/$repository/$key" ] || head -c 32 /dev/urandom | base64 -w0 | tr '+/' '-_' |
        install -m 600 -o keystone -g keystone /dev/stdin "/etc/keystone/$repository/$key"
    done
  done
}

conf_glance() {
  conf glance glance-api.conf << END
[DEFAULT]
enabled_backends = file:file
log_file = /var/log/glance/glance-api.log
bind_host = $ADDRESS
bind_port = 9292
workers = 1
[database]
connection = $(database_url glance)
[glance_store]
default_backend = file
[file]
filesystem_store_datadir = /var/lib/glance/images
[os_glance_staging_store]
filesystem_store_datadir = /var/lib/glance/staging
[os_glance_tasks_store]
filesystem_store_datadir = /var/lib/glance/tasks
[paste_deploy]
flavor = keystone
config_file = /etc/glance/glance-api-paste.ini
[oslo_concurrency]
lock_path = /var/lib/glance/lock
$(token_check glance)
END
  install -d -o glance -g glance /var/lib/glance/{images,staging,tasks,lock}
}

conf_placement() {
  conf placement placement.conf << END
[DEFAULT]
log_file = /var/log/placement/placement-api.log
[api]
auth_strategy = keystone
[placement_database]
connection = $(database_url placement)
$(token_check placement)
END
}

conf_nova() {
  conf nova nova.conf << END
[DEFAULT]
my_ip = $ADDRESS
log_dir = /var/log/nova
state_path = /var/lib/nova
compute_driver = fake.FakeDriver
transport_url = rabbit://guest:guest@127.0.0.1:5672//
rpc_response_timeout = 180
service_down_time = 180
[database]
connection = $(database_url nova)
[api_database]
connection = $(database_url nova_api)
[conductor]
workers = 1
[scheduler]
workers = 1
discover_hosts_in_cells_interval = 60
[glance]
api_servers = $GLANCE
[vnc]
enabled = false
[cache]
enabled = true
backend = dogpile.cache.pymemcache
memcache_servers = 127.0.0.1:11211
[oslo_concurrency]
lock_path = /var/lib/nova/locks
[oslo_messaging_notifications]
driver = noop
$(authentication placement placement)
$(authentication neutron neutron)
$(authentication service_user nova)
send_service_user_token = true
$(token_check nova)
END
}

conf_neutron() {
  conf neutron neutron.conf << END
[DEFAULT]
bind_host = $ADDRESS
log_dir = /var/log/neutron
state_path = /var/lib/neutron
core_plugin = ml2
service_plugins = router
transport_url = rabbit://guest:guest@127.0.0.1:5672//
rpc_response_timeout = 180
agent_down_time = 180
api_workers = 1
rpc_workers = 1
rpc_state_report_workers = 0
interface_driver = linuxbridge
notify_nova_on_port_status_changes = true
[agent]
root_helper = env
use_helper_for_ns_read = false
report_interval = 60
[database]
connection = $(database_url neutron)
[experimental]
# neutron of Zed starts with Linux bridges only when asked in this way
linuxbridge = true
[ml2]
type_drivers = flat,local
tenant_network_types = local
mechanism_drivers = linuxbridge
extension_drivers = port_security
[ml2_type_flat]
flat_networks = *
[securitygroup]
enable_security_group = true
enable_ipset = false
firewall_driver = noop
[linux_bridge]
physical_interface_mappings = external:ext0
[vxlan]
enable_vxlan = false
[oslo_concurrency]
lock_path = /var/lib/neutron/lock
[oslo_messaging_notifications]
driver = noop
$(authentication nova nova)
$(authentication placement placement)
$(token_check neutron)
END
}

# keystonerc FILE USER PROJECT PASSWORD: in the login user's home
keystonerc() {
  give_file "$1" 600 << END
export OS_AUTH_URL=$KEYSTONE OS_USERNAME=$2 OS_PASSWORD=$4 OS_PROJECT_NAME=$3
export OS_USER_DOMAIN_NAME=Default OS_PROJECT_DOMAIN_NAME=Default OS_REGION_NAME=RegionOne
export OS_IDENTITY_API_VERSION=3 OS_INTERFACE=public
END
}

# fill WHAT: put it into the cloud, by plain requests
fill() {
  ADMIN_PASSWORD=$ADMIN_PASSWORD USER_PASSWORD=$USER_PASSWORD SERVICE_PASSWORD=$SERVICE_PASSWORD SERVICES=$SERVICES \
    KEYSTONE=$KEYSTONE GLANCE=$GLANCE PLACEMENT=$PLACEMENT NOVA=$NOVA NEUTRON=$NEUTRON python3 -S ./openstack-debian-fill.py "$1"
}
