# shellcheck shell=bash
# What ready-scripts have in common. A bash script names it, so that it is put beside the script, and sources it:
#
#   # nodepool-needs: ready-lib.sh
#   . ./ready-lib.sh
#   ready_begin "$@"                    # goes on as root, with LOGIN_USER and LOGIN_HOME set
#   need_ram 4096                       # what it asks of the node; all that is missing is told at once by needs_met
#   needs_met
#   step "installing the server"        # shown to whoever waits, by `list`, `show` and `logs`
#   retry 3 10 apt-get -q -y install nginx
#   ready_end                           # how long each step took
#
# However the script ends otherwise, its last lines say at which step, after how long, and what `explain` adds.

_step=starting _step_began=$SECONDS _missing=()
_times=

say() { printf '%s\n' "$*"; }

# Ends the script; the words become the reason that the pool shows.
die() {
  say "$*"
  exit 1
}

# ready_begin "$@": run on as root. NODEPOOL_ variables come along, and so does who the login user is.
ready_begin() {
  local names
  if [ "$(id -u)" != 0 ]; then
    names=$(compgen -e NODEPOOL_ | paste -sd , -) || names=
    exec sudo -n ${names:+--preserve-env="$names"} -- env READY_USER="$(id -un)" "$0" "$@"
  fi
  LOGIN_USER=${READY_USER:-${SUDO_USER:-root}}
  LOGIN_HOME=$(getent passwd "$LOGIN_USER" | cut -d: -f6)
  export LOGIN_USER LOGIN_HOME LC_ALL=C.UTF-8
  trap '_ready_exit $?' EXIT
}

# step WORDS...: what comes now.
step() {
  _step_ended
  _step=$* _step_began=$SECONDS
  printf '::step:: %s (%d s so far)\n' "$*" "$SECONDS"
}

_step_ended() {
  _times+=$(printf '%6d s  %s' $((SECONDS - _step_began)) "$_step")$'\n'
}

# ready_end: say how long each step took; the script may end now.
ready_end() {
  _step_ended
  printf '%s%6d s  in all\n' "$_times" "$SECONDS"
}

_ready_exit() {
  [ "$1" != 0 ] || return 0
  say "failed at: $_step, after $((SECONDS - _step_began)) s of it and $SECONDS s in all"
  if declare -F explain > /dev/null; then explain || true; fi
}

# retry TRIES PAUSE COMMAND...: up to TRIES times, with PAUSE seconds between; the last status is its own.
retry() {
  local tries=$1 pause=$2 try status
  shift 2
  for ((try = 1; ; try++)); do
    status=0
    "$@" || status=$?
    [ $status != 0 ] && [ $try -lt "$tries" ] || return $status
    say "attempt $try of $tries ended with status $status: $*; again in $pause s"
    sleep "$pause"
  done
}

# wait_for SECONDS WHAT COMMAND...: until the command succeeds; ends the script when it has not by then.
wait_for() {
  local patience=$1 what=$2 end=$((SECONDS + $1))
  shift 2
  until "$@"; do
    [ $SECONDS -lt $end ] || die "$what: not within $patience s"
    sleep 0.3
  done
}

# answers URL: whether something answers there, and not with an error of its own.
answers() {
  local code
  code=$(curl -s -o /dev/null -w '%{http_code}' --noproxy '*' --max-time 30 "$1") || return 1
  [ "$code" -ge 100 ] && [ "$code" -lt 500 ]
}

# as USER COMMAND...: without a session, which costs seconds.
as() {
  local user=$1
  shift
  setpriv --reuid "$user" --regid "$user" --init-groups -- env HOME="$(getent passwd "$user" | cut -d: -f6)" "$@"
}

# password: a new one, of letters and digits.
password() { head -c 18 /dev/urandom | base64 | tr '+/' 'ab'; }

# give_file NAME MODE: standard input becomes a file in the login user's home.
give_file() {
  install -m "$2" -o "$LOGIN_USER" -g "$(id -gn "$LOGIN_USER")" /dev/stdin "$LOGIN_HOME/$1"
}

# unwired NAME: an interface that leads nowhere; a kernel without dummy interfaces has bridges
unwired() {
  ip link show "$1" > /dev/null 2>&1 || ip link add "$1" type dummy 2> /dev/null || ip link add "$1" type bridge
  ip link set "$1" up
}

# --- what a script asks of its node ----------------------------------------------------------------------------------

# lacks WORDS...: something that the script found missing by itself
lacks() { _missing+=("$*"); }

# need_ram MIB: a machine that was promised so much has a little less, which the kernel keeps.
need_ram() {
  local has
  has=$(awk '/^MemTotal:/ { print int($2 / 1024) }' /proc/meminfo)
  [ $((has * 100)) -ge $(($1 * 90)) ] || lacks "it has $has MiB of memory and needs $1: raise min-ram of the label"
}

# need_disk GIB [DIRECTORY]
need_disk() {
  local has
  has=$(df -Pk "${2:-/}" | awk 'NR == 2 { print int($4 / 1048576) }')
  [ "$has" -ge "$1" ] ||
    lacks "${2:-/} has $has GiB free and needs $1: raise disk of the label, and grow the root file system (growroot)"
}

# need_os ID:VERSION...: one of these; a version is compared as far as it is given.
need_os() {
  local id version each
  # shellcheck source=/dev/null
  id=$(. /etc/os-release && echo "$ID")
  # shellcheck source=/dev/null
  version=$(. /etc/os-release && echo "${VERSION_ID:-}")
  for each in "$@"; do
    [[ "$id:$version." != "${each%.}".* ]] || return 0
  done
  lacks "it runs $id $version and needs one of: $*"
}

# need_command NAME HOW-TO-GET-IT
need_command() {
  command -v "$1" > /dev/null || lacks "there is no $1: $2"
}

# need_name: the node's own name, which services find each other by.
need_name() {
  getent hosts "$(hostname)" > /dev/null || lacks "its own name $(hostname) resolves to nothing: see /etc/hosts"
}

# need_dns NAME...: names of the world, which a node that has just booted may not be able to ask for yet.
need_dns() {
  local each
  for each in "$@"; do
    retry 5 2 getent ahosts "$each" > /dev/null || lacks "$each resolves to nothing: see /etc/resolv.conf"
  done
}

# needs_met: go on, or end with all that is missing.
needs_met() {
  [ ${#_missing[@]} -gt 0 ] || return 0
  printf 'this node cannot be prepared: %s\n' "${_missing[@]}"
  exit 1
}
