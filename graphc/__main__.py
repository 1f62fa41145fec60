"""``python -m graphc`` and the ``graphc`` command."""

import sys


def main() -> int:
    """Run the command line; its exit status."""
    try:
        from graphc.cli.main import main as run  # kept out of `import graphc.__main__` for the entry point's sake
    except KeyboardInterrupt:
        return 130
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
