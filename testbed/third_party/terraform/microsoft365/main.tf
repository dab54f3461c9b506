terraform {
  required_providers {
    microsoft365 = {
      source  = "deploymenttheory/microsoft365"
      version = "0.57.1-alpha"
    }
  }
}

provider "microsoft365" {}

data "microsoft365_graph_beta_identity_and_access_subscribed_skus" "all" {
  list_all = true
}
