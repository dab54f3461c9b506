"""What a release is made of, by one command: `make release`. docs/release-artefacts.md describes the folder."""
