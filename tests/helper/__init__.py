"""The library `m365_identity`: pure parts by themselves, the rest against the emulator of Entra and Graph."""
