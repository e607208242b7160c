"""The `localai` command from its first moment on; `python -m localai` is the same."""

import signal


def main() -> int:
    """Run the command line and return its exit code. Ctrl-C while it is still being imported, or
    while Python itself ends, is no traceback."""
    try:
        from localai.cli import main as run

        code = run()
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        return code
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
