"""Run a benchmark. The processes of the contestants import this module too, so it imports nothing at its top."""

if __name__ == "__main__":
    from benchmarks.commands import main

    main()
