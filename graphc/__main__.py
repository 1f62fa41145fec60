"""``python -m graphc`` and the ``graphc`` command."""

import gc
import sys


def main() -> int:
    """Run the command line; its exit status."""
    try:
        from graphc.cli.main import main as run  # kept out of `import graphc.__main__` for the entry point's sake
    except KeyboardInterrupt:
        return 130
    status = run(sys.argv[1:])
    gc.freeze()  # the process ends: a last search for garbage among all that was made would only take time
    return status


if __name__ == "__main__":
    sys.exit(main())
