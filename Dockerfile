# syntax=docker/dockerfile:1
#
#   docker build -t tlslift --build-arg VERSION=1.2.3 .
#   docker run -d --name tlslift -p 3128:3128 -v tlslift:/var/lib/tlslift tlslift
#
# deploy/README.md says what to think of before clients connect to it.

# The build runs on the builder's own machine and cross-compiles.
FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=""
ARG TARGETOS
ARG TARGETARCH
ARG TARGETVARIANT
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH GOARM=${TARGETVARIANT#v} \
    go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /out/tlslift ./cmd/tlslift
# A named volume takes its owner and mode from the folder in the image.
RUN mkdir -m 0700 /out/state

# Nothing but the program, the root certificates and a place for its state:
# there is no shell to break into.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/tlslift /tlslift
COPY --from=build --chown=65532:65532 /out/state /var/lib/tlslift
USER 65532:65532
VOLUME /var/lib/tlslift
ENV TLSLIFT_STATE_DIR=/var/lib/tlslift
ENV TLSLIFT_LISTEN=proxy://:3128,smtp://:2587
# Inside the container only, for the health check. To let Prometheus in, set it
# to :9465 and publish that port to nobody else.
ENV TLSLIFT_ADMIN_LISTEN=127.0.0.1:9465
EXPOSE 3128 2587
# It drains on SIGTERM, which is what a container gets; give it longer than
# TLSLIFT_DRAIN_TIMEOUT (30s) with --stop-timeout.
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s CMD ["/tlslift", "healthcheck"]
ENTRYPOINT ["/tlslift"]
CMD ["serve"]
