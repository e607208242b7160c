"""`python -m localai` is the `localai` command."""

from localai.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
