# Two static programs and nothing else: no shell, no libraries, no package to patch.
#   docker build -t hookbudget .
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN host=$(rustc -vV | sed -n 's/^host: //p') \
 && RUSTFLAGS=-Ctarget-feature=+crt-static cargo build --release --locked --bin hookbudget --target "$host" \
 && install -D -t /out "target/$host/release/hookbudget" \
 && install -t /out "$(tests/wait-limits --build)"

FROM scratch
COPY --from=build /out/ /usr/local/bin/
ENV PATH=/usr/local/bin
USER 65532:65532
ENTRYPOINT ["hookbudget"]
