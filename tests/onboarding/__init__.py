"""The steps of onboard and offboard, decided by what was read."""
