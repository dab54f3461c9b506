"""The Helm chart: what it renders, what it refuses, and what a real cluster makes of it."""
