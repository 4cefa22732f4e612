#!/bin/bash
# TripleO standalone, for the releases that had it: Wallaby was the last; RDO has none of it since.
# TRIPLEO_RELEASE or NODEPOOL_TRIPLEO_RELEASE, else RDO_RELEASE as the image was made for.
# nodepool-needs: ready-lib.sh openstack-user.sh
# nodepool-verify: verify_openstack.sh
set -eu
set -o pipefail
. ./ready-lib.sh
ready_begin "$@"
. ./openstack-user.sh

# shellcheck source=/dev/null
[ ! -r /etc/rdo-requirements ] || . /etc/rdo-requirements
RELEASE=${NODEPOOL_TRIPLEO_RELEASE:-${TRIPLEO_RELEASE:-${RDO_RELEASE:-}}}
HAD_IT="train ussuri victoria wallaby"
LOG=/root/standalone_deploy.log
ADDRESS=172.31.99.1
VIRTUAL=172.31.99.2
TEMPLATES=/usr/share/openstack-tripleo-heat-templates
ENVIRONMENT=$TEMPLATES/environments/standalone/standalone-tripleo.yaml
DEPLOY=/root/standalone

explain() {
  grep -ahE '(fatal:|ERROR|FATAL)' "$LOG" 2> /dev/null | tail -n 1 | cut -c -400
  say "TripleO's log: $LOG"
}

# TripleO wants the node's own name to have a domain, also after the next boot
name_with_domain() {
  local name
  name=$(hostname)
  [[ $name = *.* ]] || name+=.localdomain
  getent hosts "$name" > /dev/null || echo "$ADDRESS $name ${name%%.*}" >> /etc/hosts
  echo "$name" > /etc/hostname
  hostname "$name"
}

[[ " $HAD_IT " = *" $RELEASE "* ]] ||
  die "TripleO ended with Wallaby; there is none for ${RELEASE:-a release that was not named}. It can be one of: $HAD_IT. For later releases use run_packstack.sh or run_kolla.sh"

step "looking at the node"
need_os centos:8 centos:9
need_ram 12000
need_disk 30
need_name
need_dns quay.io
need_command openstack "install python3-tripleoclient of $RELEASE: the element rdo-requirements does with RDO_RELEASE: $RELEASE and RDO_PACKAGES: python3-tripleoclient"
openstack tripleo --help > /dev/null 2>&1 || lacks "its openstack client knows no tripleo: dnf install python3-tripleoclient"
needs_met

step "writing the settings"
name_with_domain
mkdir -p $DEPLOY
unwired stack0
openstack tripleo container image prepare default --output-env-file $DEPLOY/containers.yaml
cat > $DEPLOY/parameters.yaml << END
parameter_defaults:
  CloudName: $ADDRESS
  ControlPlaneStaticRoutes: []
  Debug: true
  DeploymentUser: $LOGIN_USER
  DnsServers: [$(awk '/^nameserver/ { printf "%s%s", sep, $2; sep = ", " }' /etc/resolv.conf)]
  NeutronPublicInterface: stack0
  NeutronDnsDomain: localdomain
  NeutronBridgeMappings: datacentre:br-ctlplane
  NeutronPhysicalBridge: br-ctlplane
  StandaloneEnableRoutedNetworks: false
  StandaloneHomeDir: $DEPLOY
  StandaloneLocalMtu: 1500
  NovaComputeLibvirtType: $([ -c /dev/kvm ] && echo kvm || echo qemu)
END

step "deploying"
# later releases put a proxy before the services, which needs an address of its own; in earlier ones nothing would have it
virtual=("--control-virtual-ip=$VIRTUAL")
! grep -q 'Services::HAproxy: *OS::Heat::None' $ENVIRONMENT || virtual=()
openstack tripleo deploy --templates --standalone --yes --local-ip=$ADDRESS/24 "${virtual[@]}" \
  --deployment-user "$LOGIN_USER" -e $ENVIRONMENT -r $TEMPLATES/roles/Standalone.yaml \
  -e $DEPLOY/containers.yaml -e $DEPLOY/parameters.yaml --output-dir $DEPLOY 2>&1 | tee "$LOG" |
  while IFS= read -r line; do
    case $line in
      # 2021-04-14 10:00:00.123456 | 0242ac11-0002-... |       TASK | Run os-net-config
      *'| '*' TASK | '*) printf '::step:: tripleo: %s\n' "${line##* TASK | }" ;;
      # TASK [Run os-net-config] ****, as earlier releases have it
      'TASK ['*) printf '::step:: tripleo: %s\n' "$(sed 's/^TASK \[//; s/\] \**$//' <<< "$line")" ;;
      *) say "$line" ;;
    esac
  done

step "making an external network and user01"
export OS_CLOUD=standalone OS_REGION_NAME=regionOne
external_network datacentre
admin=$(openstack configuration show --unmask -f value -c auth.password)
OS_AUTH_URL=$(openstack configuration show -f value -c auth.auth_url)
user01
give_file keystonerc_admin 600 << END
export OS_AUTH_URL=$OS_AUTH_URL OS_USERNAME=admin OS_PASSWORD='$admin' OS_PROJECT_NAME=admin
export OS_USER_DOMAIN_NAME=Default OS_PROJECT_DOMAIN_NAME=Default OS_IDENTITY_API_VERSION=3 OS_REGION_NAME=$OS_REGION_NAME
END

step "asking with the client"
unset OS_CLOUD
ask_as_user
ready_end
