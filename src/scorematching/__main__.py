"""``python -m scorematching``: the command line."""

from scorematching.cli.main import main

if __name__ == "__main__":
    main()
