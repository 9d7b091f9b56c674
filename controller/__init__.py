"""Controller: the process that polls, journals, sends and recovers; every effect is here."""
