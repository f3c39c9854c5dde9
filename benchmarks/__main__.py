"""Run a benchmark. Processes of contestants import this module too, so it imports nothing by itself."""

if __name__ == "__main__":
    from benchmarks.commands import main

    main()
