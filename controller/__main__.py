"""``python -m controller`` is the same command as ``rungkeeper``."""

from controller.cli import main
from controller.memory import search_seldom

if __name__ == "__main__":
    search_seldom()
    main()
