"""``python -m controller`` is the same command as ``rungkeeper``."""

from controller.cli import main

if __name__ == "__main__":
    main()
