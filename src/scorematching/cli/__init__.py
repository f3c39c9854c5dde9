"""The command line, ``scorematching``: one file a command. What is slow to load is imported inside the commands."""
