"""The checks of `make check` that are our own, what writes pages of the docs, and what makes a release.

wording, shape         plain words; short functions, small modules, lists of modules
codes, messages        messages without a code; docs/messages.md
cli, variables         docs/cli.md and docs/variables.md
version, changelog     one version in every place; CHANGELOG.md
workflows              .github
site                   the docs' site
release                `make release`
"""
