"""The docs' site: what makes pages that are written for GitHub pages of MkDocs. `hooks` is what MkDocs calls."""
