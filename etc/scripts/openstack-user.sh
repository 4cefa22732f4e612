# shellcheck shell=bash
# What every OpenStack node offers, however it was installed: an external network, and user01 who is nobody special.

# there KIND NAME: whether it is there already
there() { openstack "$1" show "$2" > /dev/null 2>&1; }

# external_network PHYSICAL-NETWORK
external_network() {
  there network external_network ||
    openstack network create external_network --external --provider-network-type flat \
      --provider-physical-network "${1:-extnet}" -f value -c name
  there subnet public_subnet ||
    openstack subnet create public_subnet --network external_network --no-dhcp --subnet-range 192.168.200.0/24 \
      --gateway 192.168.200.1 --allocation-pool start=192.168.200.10,end=192.168.200.200 -f value -c name
}

# user01: the user, her project, and keystonerc_user01 beside keystonerc_admin; her password stays
user01() {
  local password file=$LOGIN_HOME/keystonerc_user01
  password=$(sed -n "s/^export OS_PASSWORD='\(.*\)'$/\1/p" "$file" 2> /dev/null) || true
  [ -n "$password" ] || password=$(password)
  there project user01 || openstack project create user01 -f value -c name
  if there user user01; then
    openstack user set --password "$password" user01
  else
    openstack user create user01 --project user01 --password "$password" -f value -c name
  fi
  openstack role add --project user01 --user user01 member
  give_file keystonerc_user01 600 << END
unset OS_SERVICE_TOKEN
export OS_USERNAME=user01
export OS_PASSWORD='$password'
export OS_PROJECT_NAME=user01
export OS_USER_DOMAIN_NAME=Default
export OS_PROJECT_DOMAIN_NAME=Default
export OS_AUTH_URL=$OS_AUTH_URL
export OS_IDENTITY_API_VERSION=3
export OS_REGION_NAME=${OS_REGION_NAME:-RegionOne}
END
}

# ask_as_user: what a person will type first works for the login user
ask_as_user() {
  runuser -u "$LOGIN_USER" -- bash -ec 'cd; . ./keystonerc_admin; openstack token issue -f value -c expires; openstack catalog list'
}
