terraform {
  required_providers {
    powerplatform = {
      source  = "microsoft/power-platform"
      version = "4.1.0"
    }
  }
}

provider "powerplatform" {}

data "powerplatform_environments" "all" {}
