"""Venue errors: refused is an Outcome; these say that no answer can be trusted."""

from __future__ import annotations

from machines.errors import RungkeeperError


class VenueUnavailable(RungkeeperError):
    """The venue did not answer whole: nothing is known, nothing has ended (SPEC §5)."""


class BadFeed(RungkeeperError):
    """A feed is missing or malformed. The user's fault; the message names file and line."""


class VenueFileError(RungkeeperError):
    """A simulated venue's own file cannot be trusted or written.

    Nothing that the venue answered is lost; it answers no more until it is opened again.
    """


class VenueFileBusy(VenueFileError):
    """Another process holds the venue's file; the message names it."""
