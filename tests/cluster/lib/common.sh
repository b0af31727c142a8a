# shellcheck shell=bash
# What every script of the test cluster shares: errors, progress lines, paths.
# Sourced after `set -Eeuo pipefail`; defines functions and constants only.

# A failure inside $(...) is a failure of the script.
shopt -s inherit_errexit

# Debian keeps iptables, runc and ip in sbin, which is not on every PATH.
case ":$PATH:" in
  *:/usr/sbin:*) ;;
  *) PATH=$PATH:/usr/sbin:/sbin ;;
esac

# die MESSAGE...: ends the script; each argument is a line of its own.
die() {
  printf '%s: %s\n' "${0##*/}" "$1" >&2
  shift
  [ $# -eq 0 ] || printf '  %s\n' "$@" >&2
  exit 2
}

require_root() {
  [ "$(id -u)" -eq 0 ] ||
    die "root is needed for network namespaces, mounts and cgroups" "run: sudo $0 $*"
}

# now_ms: the wall clock in milliseconds, without a process.
now_ms() {
  local t=${EPOCHREALTIME/[.,]/}
  printf '%s' "${t%???}"
}

seconds_since() {
  local ms=$(($(now_ms) - $1))
  printf '%d.%d' $((ms / 1000)) $((ms % 1000 / 100))
}

STEP_LABEL=
STEP_LOG=
STEP_TICKER=

# step LABEL LOGFILE CMD...: runs CMD in this shell with its output in LOGFILE.
# A terminal sees the seconds run; a pipe gets one line at the end.
step() {
  local started
  STEP_LABEL=$1 STEP_LOG=$2
  shift 2
  started=$(now_ms)
  if [ -t 1 ]; then
    printf '%-44s' "$STEP_LABEL"
    (while sleep 1; do printf '\r%-44s %5d s' "$STEP_LABEL" $((($(now_ms) - started) / 1000)); done) &
    STEP_TICKER=$!
  fi
  "$@" >>"$STEP_LOG" 2>&1
  stop_ticker
  [ ! -t 1 ] || printf '\r'
  printf '%-44s %7s s\n' "$STEP_LABEL" "$(seconds_since "$started")"
  STEP_LABEL=
}

stop_ticker() {
  [ -n "$STEP_TICKER" ] || return 0
  kill "$STEP_TICKER" 2>/dev/null || true
  wait "$STEP_TICKER" 2>/dev/null || true
  STEP_TICKER=
}

# report_failed_step: for an EXIT trap; names the step that failed and shows
# the end of its log.
report_failed_step() {
  stop_ticker
  [ -n "$STEP_LABEL" ] || return 0
  [ ! -t 1 ] || printf '\n'
  printf '%s: failed: %s\n' "${0##*/}" "$STEP_LABEL" >&2
  [ ! -s "$STEP_LOG" ] || tail -n 25 "$STEP_LOG" | sed 's/^/  | /' >&2
}
