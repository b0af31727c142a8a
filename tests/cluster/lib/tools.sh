# shellcheck shell=bash
# Where the Go tools live: outside the tree, one directory for each family and
# each content of its go.mod and go.sum, so that a change of version builds
# anew and two checkouts share what they have in common.

TOOL_SOURCES=$(cd "$(dirname "${BASH_SOURCE[0]}")/../tools" && pwd)
readonly TOOL_SOURCES
readonly TOOL_FAMILIES=(kubernetes coredns helm)

cache_root() {
  local base=${HOOKBUDGET_CACHE:-}
  if [ -z "$base" ]; then
    [ -n "${XDG_CACHE_HOME:-}${HOME:-}" ] ||
      die "no place for the tool cache" "set HOOKBUDGET_CACHE, XDG_CACHE_HOME or HOME"
    base=${XDG_CACHE_HOME:-$HOME/.cache}/hookbudget
  fi
  printf '%s' "$base"
}

# tool_dir FAMILY: the directory of its binaries, built or not.
tool_dir() {
  local source=$TOOL_SOURCES/$1 root sum
  root=$(cache_root)
  sum=$(cat "$source/go.mod" "$source/go.sum" | sha256sum)
  printf '%s/cluster-tools/%s-%s' "$root" "$1" "${sum:0:16}"
}

# module_version FAMILY MODULE: the version that go.mod requires.
module_version() {
  awk -v module="$2" '
    $1 == "require" && $2 == module { print $3; exit }
    $1 == module && $2 ~ /^v/ { print $2; exit }' "$TOOL_SOURCES/$1/go.mod"
}

# tools_path: the families as a PATH prefix; fails if one was not built.
tools_path() {
  local family dir path=
  for family in "${TOOL_FAMILIES[@]}"; do
    dir=$(tool_dir "$family")
    [ -d "$dir" ] || die "the $family tools are not built" "run: tests/setup"
    path=$path${path:+:}$dir
  done
  printf '%s' "$path"
}
