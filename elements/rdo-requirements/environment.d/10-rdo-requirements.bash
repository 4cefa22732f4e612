export RDO_RELEASE=${RDO_RELEASE:-epoxy}
export RDO_TRUNK=${RDO_TRUNK:-}
export RDO_TRUNK_URL=${RDO_TRUNK_URL:-https://trunk.rdoproject.org}
export RDO_EXTRA_REPOS=${RDO_EXTRA_REPOS:-}
export RDO_EXTRA_RPMS=${RDO_EXTRA_RPMS:-}
export RDO_PACKAGES=${RDO_PACKAGES:-}
