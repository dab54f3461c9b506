"""The commands that we print, run by the real az against the emulator."""
