terraform {
  required_providers {
    microsoft365 = {
      source = "deploymenttheory/microsoft365"
      # Exactly this version: every release so far is a pre-release, and `terraform init` takes one only if the
      # constraint is its whole version.
      version = "0.57.1-alpha"
    }
  }
}

provider "microsoft365" {}

data "microsoft365_graph_identity_and_access_subscribed_skus" "all" {
  list_all = true  # it wants this or a filter
}
