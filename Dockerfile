# The image of the webhook; the helper is in it too. docs/image.md says how to build it and what is in it.
#
#   base         for the platform of the image: its files are copied, and nothing in it runs
#   build        on this machine's platform: its Python installs what requirements.txt locks, and puts /runtime together
#   application  our code, and a test that it runs in exactly what will be in the image, if this machine is of its kind
#   (last)       the two roots, one layer each: the packages of requirements.txt, and our code
#
# Proxy and package index are chosen at build time and never end up in the image: proxies come from the environment; an
# index and its certificates come as the secrets `pip` (a pip.conf) and `ca` (PEM), which are mounted and never copied.

ARG BASE=python:3.13-slim
ARG BUILD_BASE=${BASE}

FROM ${BASE} AS base

FROM --platform=${BUILDPLATFORM} ${BUILD_BASE} AS build
ARG SOURCE_DATE_EPOCH=0
WORKDIR /build
COPY requirements.txt image/base.py image/elf.py image/install.py image/libraries.py ./
RUN --mount=type=bind,from=base,target=/base \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/run/authorities.pem \
    if [ -e /run/authorities.pem ]; then export PIP_CERT=/run/authorities.pem; fi; \
    export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_QUIET=2 PIP_REQUIRE_HASHES=1 \
 && python3 install.py requirements.txt
COPY image/records.py image/root.py ./
RUN --mount=type=bind,from=base,target=/base python3 root.py runtime /runtime

FROM build AS application
ARG SOURCE_DATE_EPOCH=0
COPY webhook webhook
COPY certs certs
COPY m365_identity m365_identity
RUN --mount=type=bind,from=base,target=/base \
    python3 root.py application /application webhook certs m365_identity \
 && python3 root.py try /runtime /application

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="m365-workload-identity" \
      org.opencontainers.image.description="Pods sign in to Microsoft 365 with no secret: admission webhook and client helper" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /runtime /
COPY --from=application /application /
ENV PATH=/opt/m365wi/bin \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
EXPOSE 9443 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["m365-webhook"]
CMD ["serve"]
