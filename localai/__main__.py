"""The `localai` command from its first moment on; `python -m localai` is the same."""


def main() -> int:
    """Run the command line and return its exit code. Ctrl-C while it is still being imported is no
    traceback."""
    try:
        from localai.cli import main as run

        return run()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
