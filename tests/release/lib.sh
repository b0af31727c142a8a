# shellcheck shell=bash
# What the scripts of a release share: a copy of the tree that git knows, and programs whose bytes do not depend on
# where and when they are built. Sourced after tests/cluster/lib/common.sh.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
readonly ROOT
HOST=$(rustc -vV | sed -n 's/^host: //p')
readonly HOST
VERSION=$(sed -n '0,/^version = "\(.*\)"/s//\1/p' "$ROOT/Cargo.toml")
# shellcheck disable=SC2034 # read by the scripts that source this file
readonly VERSION
# Every time that is written into a file is that of the commit.
SOURCE_DATE_EPOCH=$(git -C "$ROOT" log -1 --format=%ct)
export SOURCE_DATE_EPOCH

# copy_tree DIR: the files of the last commit, and nothing else that lies in the tree.
copy_tree() {
  mkdir -p "$1"
  git -C "$ROOT" archive HEAD | tar --extract --directory "$1"
}

# steady DIR [RUSTC-FLAG...] -- CMD...: runs CMD in DIR so that no path of this machine gets into what it builds.
steady() {
  local directory=$1 cargo=${CARGO_HOME:-$HOME/.cargo} flags=()
  shift
  while [ "$1" != -- ]; do flags+=("$1") && shift; done
  shift
  flags+=("--remap-path-prefix=$directory=/src" "--remap-path-prefix=$cargo=/cargo")
  env -C "$directory" -u CARGO_TARGET_DIR RUSTFLAGS="${flags[*]}" \
    CFLAGS="-ffile-prefix-map=$directory=/src -ffile-prefix-map=$cargo=/cargo" "$@"
}

# build_wait DIR, build_main DIR: builds one program in a copy of the tree, static, and prints where it is.
build_wait() { steady "$1" -- tests/wait-limits --build; }
build_main() {
  steady "$1" -Ctarget-feature=+crt-static -- \
    cargo build --quiet --release --locked --bin hookbudget --target "$HOST" >&2
  echo "$1/target/$HOST/release/hookbudget"
}

# steady_tar ARCHIVE DIR NAME...: the same bytes for the same files.
steady_tar() {
  local archive=$1 directory=$2
  shift 2
  tar --create --directory "$directory" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
    --mode=u+rw,go=rX "$@" | gzip --no-name --best >"$archive"
}
