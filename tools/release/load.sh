#!/bin/sh
# Loads this release where no network is. Run it in the folder that it is in. docs/air-gapped.md says more.
#
#   ./load.sh registry registry.example.com/team   image, chart and signatures, into a registry; needs crane
#   ./load.sh containerd                           the image, into this node, by the name in the chart; needs ctr and root
set -eu

name=m365-workload-identity

# The digest of the one manifest that a layout has.
digest_of() {
    sed -n 's/.*"digest": *"\(sha256:[0-9a-f]*\)".*/\1/p' "$1/index.json"
}

# push LAYOUT REPOSITORY: by the version, then all that is about it, by digest.
push() {
    crane push "release/$1.oci" "$2:$version"
    for about in "attached/$1"/*; do
        [ -d "$about" ] || continue
        crane push "$about" "$2@$(digest_of "$about")"
    done
}

version=$(cat VERSION)
case "${1:-}" in
registry)
    push image "${2:?the registry, such as registry.example.com/team}/$name"
    push chart "$2/charts/$name"
    ;;
containerd)
    repository=$(sed -n 's/^ *image: "\{0,1\}\(.*\)@sha256:.*/\1/p' release/install.yaml | head -n 1)
    case "$repository" in
    */*) ;;
    *) repository=docker.io/library/$repository ;; # as the kubelet reads a name without a registry
    esac
    tar -C release/image.oci -cf - . |
        ctr --namespace k8s.io images import --base-name "$repository" --digests -
    ctr --namespace k8s.io images ls --quiet | grep -F "$repository@$(digest_of release/image.oci)"
    ;;
*)
    sed -n 's/^#   //p' "$0" >&2
    exit 2
    ;;
esac
