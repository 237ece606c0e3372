# The image of sluice: docker build -t sluice .
#
# The program links glibc, libm and libgcc_s and nothing else: librdkafka, its OpenSSL, zstd and zlib are built in, and HTTPS is
# rustls. So the base has those three, the authorities' certificates and no shell; both stages are of one Debian, hence of one glibc.
ARG RUST=rust:1.95.0-slim-bookworm
ARG RUNTIME=gcr.io/distroless/cc-debian12:nonroot

FROM ${RUST} AS build
# They build librdkafka, whose configure asks for a C++ compiler, and its OpenSSL; which versions there are, the base's Debian says.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends g++ make perl && rm -rf /var/lib/apt/lists/*
WORKDIR /build
# All dependencies, in a layer of their own: it stays while the two files are the same. The program is empty so far, and the
# benchmarks only have to be there.
COPY .cargo .cargo
COPY Cargo.toml Cargo.lock ./
RUN mkdir src benches \
    && sed -n '/^\[\[bench\]\]/,/^$/s/^name = "\(.*\)"/benches\/\1.rs/p' Cargo.toml > benches/names \
    && xargs --arg-file benches/names touch src/lib.rs \
    && echo 'fn main() {}' > src/main.rs \
    && cargo build --locked --release --bin sluice
COPY src src
# Cargo goes by times, and those of the sources are older than those of the empty program.
RUN touch src/lib.rs src/main.rs \
    && cargo build --locked --release --bin sluice \
    && strip --strip-debug -o /sluice target/release/sluice

FROM ${RUNTIME}
LABEL org.opencontainers.image.title="sluice" \
      org.opencontainers.image.description="A schema gate for Kafka: validates every record against its registry schema and routes it" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /sluice /usr/local/bin/sluice
# By number, as Kubernetes' runAsNonRoot wants it.
USER 65532:65532
ENV SLUICE_CONFIG=/etc/sluice/sluice.yaml
# The admin address where admin.listen is 0.0.0.0:8090, and the registry's.
EXPOSE 8090 8081
# Asks /livez on loopback; SLUICE_ADMIN is the address where admin.listen has another port, or https://127.0.0.1:8090 with admin.tls;
# SLUICE_ADMIN_CERTIFICATE and SLUICE_ADMIN_KEY are what admin.tls.client_ca asks for. Kubernetes asks by itself: httpGet.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/usr/local/bin/sluice", "health"]
ENTRYPOINT ["/usr/local/bin/sluice"]
CMD ["run"]
