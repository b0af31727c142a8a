# Two static programs and nothing else: no shell, no libraries, no package to patch.
#   docker build -t hookbudget .
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# Kernels of arm64 have pages of 4, 16 or 64 KiB; an allocator made for the largest runs on all of them.
RUN host=$(rustc -vV | sed -n 's/^host: //p') \
 && if [ "$(uname -m)" = aarch64 ]; then export JEMALLOC_SYS_WITH_LG_PAGE=16; fi \
 && RUSTFLAGS=-Ctarget-feature=+crt-static cargo build --release --locked --bin hookbudget --target "$host" \
 && install -D -t /out "target/$host/release/hookbudget" \
 && install -t /out "$(tests/wait-limits --build)"

FROM scratch
COPY --from=build /out/ /usr/local/bin/
ENV PATH=/usr/local/bin
USER 65532:65532
ENTRYPOINT ["hookbudget"]
