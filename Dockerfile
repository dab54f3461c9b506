# The image of the webhook; the helper is in it too. docs/image.md says how to build it and what is in it.
#
#   build        the base's own Python installs what requirements.txt locks, and puts /runtime together
#   application  our code, and a test that it runs in exactly what will be in the image
#   (last)       the two roots, one layer each: the packages of requirements.txt, and our code
#
# Proxy and package index are chosen at build time and never end up in the image: proxies come from the environment; an
# index and its certificates come as the secrets `pip` (a pip.conf) and `ca` (PEM), which are mounted and never copied.

ARG BASE=python:3.13-slim

FROM ${BASE} AS build
ARG SOURCE_DATE_EPOCH=0
WORKDIR /build
COPY requirements.txt ./
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/run/authorities.pem \
    if [ -e /run/authorities.pem ]; then export PIP_CERT=/run/authorities.pem; fi; \
    python3 -m venv --without-pip /opt/m365wi \
 && export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_QUIET=2 PIP_REQUIRE_HASHES=1 \
 && python3 -m pip --python /opt/m365wi/bin/python install --no-compile --only-binary :all: --requirement requirements.txt
COPY image/root.py ./
RUN python3 root.py runtime /runtime

FROM build AS application
ARG SOURCE_DATE_EPOCH=0
COPY webhook webhook
COPY certs certs
COPY m365_identity m365_identity
RUN python3 root.py application /application webhook certs m365_identity \
 && cp -a /application/. /runtime \
 && chroot /runtime /opt/m365wi/bin/m365-webhook --version \
 && chroot /runtime /opt/m365wi/bin/m365-identity --version \
 && chroot /runtime /opt/m365wi/bin/python -c 'import importlib, pkgutil, webhook, certs, m365_identity; \
    [importlib.import_module(found.name) for package in (webhook, certs, m365_identity) \
     for found in pkgutil.walk_packages(package.__path__, package.__name__ + ".") \
     if not found.name.endswith("__main__")]'

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
