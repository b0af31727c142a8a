# A world without time: the programs that a script waits with are functions, the clock is a file in
# milliseconds, and no service ever comes up. Sourced before the script.
# $CLOCK: the file. $HANG: 1 when probes hang to their limits, 0 when they fail at once.
_DL=
_CAP=
_pass() {
  read -r _n < "$CLOCK"
  _n=$((_n + $1))
  if [ -n "$_DL" ] && [ "$_n" -ge "$_DL" ]; then
    echo "$_DL" > "$CLOCK"
    exit 124
  fi
  echo "$_n" > "$CLOCK"
  if [ "$_n" -gt 90000000 ]; then
    echo endless > "$CLOCK"
    kill -9 $$
    exit 1
  fi
  if [ -n "${BASH_VERSION-}" ]; then SECONDS=$((SECONDS + $1 / 1000)); fi
}
_millis() {
  case $1 in
    *.5) _m=${1%.5} _m=$((${_m:-0} * 1000 + 500)) ;;
    *m) _m=$((${1%m} * 60000)) ;;
    *s) _m=$((${1%s} * 1000)) ;;
    *) _m=$(($1 * 1000)) ;;
  esac
}
sleep() {
  _millis "$1"
  _pass "$_m"
}
date() {
  read -r _n < "$CLOCK"
  echo $((1700000000 + _n / 1000))
}
_probe() {
  if [ "$HANG" = 0 ]; then return 7; fi
  _l=$1
  if [ -n "$_CAP" ] && { [ -z "$_l" ] || [ "$_CAP" -lt "$_l" ]; }; then _l=$_CAP; fi
  _pass $((_l * 1000))
  return 28
}
# The number behind the flag $1, alone (`-w 3`) or in one word with it (`-w3`, `-zw3`).
_flag() {
  _f=$1
  _v=
  shift
  while [ $# -gt 0 ]; do
    case $1 in
      -"$_f") _v=${2-} ;;
      -"$_f"[0-9]*) _v=${1#-"$_f"} ;;
      -z"$_f"[0-9]*) _v=${1#-z"$_f"} ;;
    esac
    shift
  done
}
curl() {
  _flag m "$@"
  _probe "$_v" || _s=$?
  case "$*" in *http_code*) printf 000 ;; esac
  return "$_s"
}
wget() { _flag T "$@"; _probe "$_v"; }
nc() { _flag w "$@"; _probe "$_v"; }
pg_isready() { _flag t "$@"; _probe "$_v" || return 2; }
migrate() { echo "migrate $*" >> "$MARKS"; }
timeout() {
  _millis "$1"
  shift
  if [ "$1" = sh ]; then
    (
      read -r _n < "$CLOCK"
      _DL=$((_n + _m))
      set +e
      eval "$3"
    )
    return $?
  fi
  _CAP=$((_m / 1000))
  _r=0
  "$@" || _r=$?
  _CAP=
  if [ "$_r" = 28 ]; then return 124; fi
  return "$_r"
}
if [ -n "${BASH_VERSION-}" ]; then
  unset SECONDS
  SECONDS=0
fi
