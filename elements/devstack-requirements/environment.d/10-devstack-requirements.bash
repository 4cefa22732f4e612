export DEVSTACK_PREREQS=${DEVSTACK_PREREQS:-1}
export DEVSTACK_LOCAL_CONF=${DEVSTACK_LOCAL_CONF:-}
# The branch of DevStack is that of the services, unless one is given a branch of its own
if [ -n "${DIB_REPOREF_devstack:-}" ]; then
    for each in cinder glance horizon keystone neutron nova placement requirements; do
        ref=DIB_REPOREF_$each
        export "$ref=${!ref:-$DIB_REPOREF_devstack}"
    done
    unset each ref
fi
