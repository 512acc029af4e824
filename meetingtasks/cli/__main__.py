"""Runs the command line as ``python -m meetingtasks.cli``, whichever way the package came here."""

from meetingtasks.cli.main import main

if __name__ == "__main__":
    main()
