"""The distribution `m365wi`, as users install it."""
