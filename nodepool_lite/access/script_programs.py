"""The shell programs behind `script`: start, poll, stop and verify. POSIX sh, util-linux and coreutils only.

A run's directory, `~/.nodepool/run/RUN_ID` (0700), holds:

    start    "PID STARTTIME BOOT_ID" of the supervisor: a hard link, so it appears whole and only once. It is the lock.
    output   what the script wrote to stdout and stderr, in order
    status   its exit status; appears whole, when the script has ended
"""

import shlex
from collections.abc import Mapping

from nodepool_lite.access.shell import embed, fill

SCRIPTS_DIR = "/opt/nodepool-scripts"
RUN_DIR = '"$HOME/.nodepool/run/"'
"""A shell word; the run's id follows."""

_SUPERVISE = r"""
rm -f "$0"
run=$1 dir=$2 second=
read -r boot < /proc/sys/kernel/random/boot_id
read -r stat < "/proc/$$/stat"
set -- ${stat##*) }
shift 19
printf '%s %s %s\n' "$$" "$1" "$boot" > "$run/start.$$"
ln "$run/start.$$" "$run/start" 2> /dev/null || second=yes
rm -f "$run/start.$$"
[ -z "$second" ] || exit 0
trap : HUP INT TERM
{ cd "$dir" && @COMMAND@; } < /dev/null >> "$run/output" 2>&1
status=$?
printf '%s\n' "$status" > "$run/status.$$" && mv -f "$run/status.$$" "$run/status"
"""

_START = r"""
run=@RUN@
[ ! -e "$run/start" ] || { echo started; exit 0; }
fail() { echo "failed $1"; exit 0; }
command -v setsid > /dev/null || fail 'the node has no setsid (util-linux)'
(umask 077 && mkdir -p "$run") 2> /dev/null || fail "$run cannot be made"
@PLACE@
supervisor() { @SUPERVISE@
}
(umask 077; supervisor > "$run/supervise.@TOKEN@") || fail "nothing can be written to $run"
setsid sh "$run/supervise.@TOKEN@" "$run" "$dir" < /dev/null > /dev/null 2>&1 &
tries=0
while [ ! -e "$run/start" ]; do
  tries=$((tries + 1))
  [ "$tries" -le 150 ] || { echo unclear; exit 0; }
  sleep 0.1 2> /dev/null || sleep 1
done
echo started
"""

_PLACE = r"""
dir=@DIR@
write() {
@WRITE@
chmod 0755 @WORDS@
}
place() {
  [ -d "$1" ] || mkdir -p "$1" || return 1
  [ -w "$1" ] && mkdir "$1/.new.@TOKEN@" && (cd "$1/.new.@TOKEN@" && write && mv -f -- @WORDS@ ..) &&
    rmdir "$1/.new.@TOKEN@"
} 2> /dev/null
place_by_sudo() {
  stage="$run/new.@TOKEN@"
  mkdir "$stage" && (cd "$stage" && write) && sudo -n sh -c '
    stage=$1 new=$2/.new.@TOKEN@ && shift 2 && umask 022 && mkdir -p "$new" && cd "$stage" && cp -- "$@" "$new" &&
    cd "$new" && chmod 0755 -- "$@" && mv -f -- "$@" .. && rmdir "$new"' sh "$stage" "$1" @WORDS@ && rm -rf "$stage"
} 2> /dev/null
place "$dir" || place_by_sudo "$dir" ||
  { rm -rf "$run/new.@TOKEN@"; dir="$HOME/.nodepool/scripts"; place "$dir"; } ||
  fail "the scripts can be written neither to @DIR@ nor to $dir"
"""

_PRESENT = r"""
dir=@DIR@ name=@NAME@
[ -e "$dir/$name" ] || dir="$HOME/.nodepool/scripts"
[ -e "$dir/$name" ] || fail "@DIR@ of its image holds no $name, and scripts-dir does not either"
"""

_PLACE_ALONE = r"""
run="$HOME/.nodepool/run"
fail() { echo "failed $1"; exit 0; }
(umask 077 && mkdir -p "$run") 2> /dev/null || fail "$run cannot be made"
@PLACE@
echo placed
"""

_VERIFY = r"""
fail() { echo absent; exit 0; }
@PRESENT@
echo present
limit=
! command -v timeout > /dev/null || limit='timeout -k 5 @SECONDS@'
cd "$dir" && { @ASSIGNMENTS@ $limit @COMMAND@; } 2>&1 < /dev/null
exit
"""

_ALIVE = r"""
alive() {
  read -r now < /proc/sys/kernel/random/boot_id
  [ "$now" = "$boot" ] && read -r stat 2> /dev/null < "/proc/$pid/stat" || return 1
  set -- ${stat##*) }
  case $1 in Z | X) return 1 ;; esac
  shift 19
  [ "$1" = "$began" ]
}
"""

_POLL = r"""
run=@RUN@
[ -e "$run/start" ] || { echo absent; exit 0; }
read -r pid began boot < "$run/start"
running=no status=none
! alive || running=yes
[ ! -e "$run/status" ] || read -r status < "$run/status"
echo "$running $status"
[ ! -e "$run/output" ] || tail -c +@FROM@ "$run/output" | head -c @LIMIT@
"""

_STOP = r"""
run=@RUN@
[ -e "$run/start" ] || exit 0
read -r pid began boot < "$run/start"
read -r now < /proc/sys/kernel/random/boot_id
[ "$now" = "$boot" ] || exit 0
alive || [ ! -e "/proc/$pid" ] || exit 0
[ ! -e "$run/status" ] || exit 0
session() {
  for file in /proc/[0-9]*/stat; do
    read -r stat 2> /dev/null < "$file" || continue
    set -- ${stat##*) }
    [ "$4" = "$pid" ] && [ "$1" != Z ] && echo "${stat%% *}"
  done
}
end() {
  tries=0
  while members=$(session); [ -n "$members" ] && [ "$tries" -le "$2" ]; do
    case $1$tries in
      TERM0 | KILL*) kill "-$1" $members 2> /dev/null || sudo -n kill "-$1" $members 2> /dev/null ;;
    esac
    tries=$((tries + 1))
    sleep 0.1 2> /dev/null || sleep 1
  done
}
end TERM @GRACE@
end KILL 20
[ -e "$run/status" ] || { echo 137 > "$run/status.stop" && mv -f "$run/status.stop" "$run/status"; }
"""


def start_program(
    run_id: str, token: str, *, name: str, files: Mapping[str, bytes], hostname: str, environment: Mapping[str, str]
) -> str:
    """Return the program that puts `files` in place and starts the script `name` detached, if it was not started yet.

    The script is one of the files, or in the image.
    """
    place = _place(files, token) if files else ""
    supervise = embed(fill(_SUPERVISE, COMMAND=f"{_assignments(environment)} {_command(name, hostname)}").encode())
    present = place if name in files else place + _present(name)
    return fill(_START, RUN=_run(run_id), PLACE=present, SUPERVISE=supervise, TOKEN=token)


def place_program(files: Mapping[str, bytes], token: str) -> str:
    """Return the program that puts `files` where ready-scripts are and prints `placed`."""
    return fill(_PLACE_ALONE, PLACE=_place(files, token))


def verify_program(name: str, *, hostname: str, environment: Mapping[str, str], seconds: int) -> str:
    """Return the program that prints `absent`, or `present` and what a script on the node says, and ends like it.

    The script runs for at most `seconds`; status 124 is that of a script that took too long (coreutils' `timeout`).
    """
    return fill(
        _VERIFY,
        PRESENT=_present(name),
        SECONDS=str(seconds),
        ASSIGNMENTS=_assignments(environment),
        COMMAND=_command(name, hostname),
    )


def _place(files: Mapping[str, bytes], token: str) -> str:
    words = {name: shlex.quote(f"./{name}") for name in files}
    write = "\n".join(f"{{ {embed(content)}\n}} > {words[name]} || return" for name, content in files.items())
    return fill(_PLACE, DIR=SCRIPTS_DIR, WRITE=write, WORDS=" ".join(words.values()), TOKEN=token)


def _present(name: str) -> str:
    return fill(_PRESENT, DIR=SCRIPTS_DIR, NAME=shlex.quote(name))


def _assignments(environment: Mapping[str, str]) -> str:
    return " ".join(f"{key}={shlex.quote(value)}" for key, value in environment.items())


def _command(name: str, hostname: str) -> str:
    return f"{shlex.quote(f'./{name}')} {shlex.quote(hostname)}"


def poll_program(run_id: str, offset: int, limit: int) -> str:
    """Return the program that prints `absent`, or `RUNNING STATUS` and then up to `limit` bytes of output."""
    return _ALIVE + fill(_POLL, RUN=_run(run_id), FROM=str(offset + 1), LIMIT=str(limit))


def stop_program(run_id: str, grace: float) -> str:
    """Return the program that ends all processes of the run's session: TERM, `grace` seconds, KILL."""
    return _ALIVE + fill(_STOP, RUN=_run(run_id), GRACE=str(int(grace * 10)))


def _run(run_id: str) -> str:
    return RUN_DIR + run_id
