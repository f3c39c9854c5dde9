"""``python -m scorematching``: the command line."""

from scorematching.cli import main

if __name__ == "__main__":
    main()
