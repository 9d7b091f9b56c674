"""The exit codes of every command (README lists them)."""

FINE = 0
CHECK_FAILED = 1
WRONG_INPUT = 2
IN_USE = 3
STORAGE_FAILED = 4
NO_VENUE = 5
INTERNAL = 70  # EX_SOFTWARE of sysexits.h
