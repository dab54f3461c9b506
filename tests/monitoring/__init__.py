"""Alerts and dashboards, tried by promtool and by a real Prometheus. `make test-prometheus` runs them."""
