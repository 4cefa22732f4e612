export NODEPOOL_USERNAME=${NODEPOOL_USERNAME:-jenkins}
export NODEPOOL_ROOT_KEY=${NODEPOOL_ROOT_KEY:-0}
# This element brings its own DHCP; the ifupdown files of the debootstrap element would be a second client.
export DIB_APT_MINIMAL_CREATE_INTERFACES=${DIB_APT_MINIMAL_CREATE_INTERFACES:-0}
