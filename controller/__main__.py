"""``python -m controller`` is the same command as ``rungkeeper``."""

from controller.memory import search_seldom

if __name__ == "__main__":
    search_seldom()  # before anything is loaded: it takes a quarter of the time to load all

    from controller.cli import main

    main()
