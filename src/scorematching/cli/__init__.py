"""Command line ``scorematching``, one file per command. Modules that load slowly are imported inside the commands."""
