"""What a release is made of, by one command: `make release`. docs/release-artefacts.md describes the folder.

source                 exactly the files of one commit
distributions, wheels  our wheels and sdists; those of others, for a machine without an index
image, debian, pins    the image for each platform; the Debian that it is made of; that of another build, again
chart                  the chart, which names the image by its digest
oci, archives          OCI layouts, written and checked; archives that are the same each time
contents, embedded     what is in the image; what is inside of its wheels
sbom, bills            bills of materials, and those of a release
statements, provenance what is attested; who built what from what
sign, push             signs the folder; pushes it into a registry
bundle                 all that a machine without a network needs
checksums, report      SHA256SUMS; what is said at the end
programs, commands     the programs that a release needs, and running them
errors                 the exception of this package
"""
