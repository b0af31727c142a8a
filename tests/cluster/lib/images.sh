# shellcheck shell=bash
# Container images without a registry: one layer of given files, with Debian's
# static busybox or with nothing else, as an archive that containerd imports.

# Where a file goes when its caller does not say: first on every PATH.
readonly IMAGE_BIN=/usr/local/bin

# add_with_libraries ROOT FILE DEST: FILE under ROOT/DEST, and the shared
# libraries and the loader of a dynamic program where it looks for them.
add_with_libraries() {
  local library
  install -D -m 755 "$2" "$1$3"
  # ldd fails for scripts and static programs: they need nothing.
  while read -r library; do
    [ -e "$1$library" ] || install -D -m 755 "$library" "$1$library"
  done < <(ldd "$2" 2>/dev/null | grep --only-matching '/[^ ]*' || true)
}

# add_busybox ROOT: the directories of a system and every applet.
add_busybox() {
  local root=$1 applet
  mkdir -p "$root"/{bin,etc,root,tmp,usr,var}
  chmod 1777 "$root/tmp"
  # As Debian lays it out: programs name /lib64/ld-linux and /usr/bin/env.
  ln -s ../bin "$root/usr/bin"
  mkdir -p "$root"/usr/{lib,lib64,sbin}
  ln -s usr/lib "$root/lib"
  ln -s usr/lib64 "$root/lib64"
  ln -s usr/sbin "$root/sbin"
  printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n' >"$root/etc/passwd"
  printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
  install -m 755 /bin/busybox "$root/bin/busybox"
  while read -r applet; do
    [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
  done < <(/bin/busybox --list)
}

# write_image ARCHIVE TAG[,TAG...] CONFIG-JSON [FILE[=DEST]...]
# CONFIG-JSON is the image's "config". Without BARE=1 there is busybox too.
write_image() {
  local archive=$1 tags=$2 config=$3 work root spec layer
  shift 3
  work=$(mktemp -d)
  root=$work/root
  mkdir "$root"
  chmod 755 "$root"
  [ -n "${BARE:-}" ] || add_busybox "$root"
  for spec; do
    local file=${spec%%=*} dest=$IMAGE_BIN/${spec##*/}
    case $spec in *=/*) dest=${spec#*=} ;; esac
    [ -f "$file" ] || die "no such file for the image: $file" "build it first, then call image again"
    add_with_libraries "$root" "$file" "$dest"
  done
  # The same content gives the same image, whoever packs it and when.
  tar --create --file "$work/layer.tar" --directory "$root" --sort=name --mtime=@0 \
    --owner=0 --group=0 --numeric-owner .
  layer=$(sha256sum "$work/layer.tar")
  printf '{"architecture":"%s","os":"linux","config":%s,"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    "$(dpkg --print-architecture)" "$config" "${layer%% *}" >"$work/config.json"
  printf '[{"Config":"config.json","RepoTags":["%s"],"Layers":["layer.tar"]}]' \
    "${tags//,/\",\"}" >"$work/manifest.json"
  tar --create --file "$archive" --directory "$work" --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=644 \
    manifest.json config.json layer.tar
  rm -rf "$work"
}

# shell_config [COMMAND-JSON]: the configuration of an image with busybox.
shell_config() {
  printf '{"Env":["PATH=%s:/bin:/usr/bin:/sbin"],"Cmd":%s}' "$IMAGE_BIN" "${1:-[\"sh\"]}"
}

# import_image TAG[,TAG...] CONFIG-JSON [FILE[=DEST]...]
import_image() {
  local archive
  archive=$(mktemp "$STATE/image.XXXXXX")
  write_image "$archive" "$@"
  cluster_ctr images import "$archive"
  rm -f "$archive"
}
