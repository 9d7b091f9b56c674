"""The variants of the table that no scenario can tell apart, each with the reason why.

`tests.machines.test_table` holds this list to its word: what is listed survives every scenario,
what survives is listed, and nothing is listed for nothing. A variant that would only change a cell
that is *never* reached needs no line here.
"""

import re

import msgspec

ENTERING = "(PARTIALLY_FILLED|FULLY_FILLED)"


class Equivalent(msgspec.Struct, frozen=True):
    """Variants by the pattern of their names (`Variant.name`), and why they make no difference."""

    names: str
    reason: str

    def matches(self, name: str) -> bool:
        return re.fullmatch(self.names, name) is not None


EQUIVALENT = (
    Equivalent(
        r"S2 FULLY_FILLED stop_refused .*: without cancel_entries",
        "No entry works in this state, so there is none to cancel. (While the cancel of one is "
        "under way, other rows differ in what the journal says it was sent for; these are taken "
        "on a venue's answer, and what they ask for leaves with the next poll.)",
    ),
    Equivalent(
        r"(?!B1 PARTIALLY_FILLED book_decided !unbookable&!takes_all).*"
        r": expire_entries for cancel_entries",
        "That an entry expired is asked only while nothing has been entered and, of a late fill, "
        "only before TP1; each of these rows comes after an entry and leads beyond that.",
    ),
    Equivalent(
        r"E2 .*: fold_rungs for share_rungs",
        "Nothing rests on any rung before the first fill, so folding shares too.",
    ),
    Equivalent(
        r"E3 PARTIALLY_FILLED entry_filled !late&entries_work: fold_rungs for share_rungs",
        "While an entry works no sale of ours takes from the rungs (it would have cancelled the "
        "entry), so a fill always changes what there is to share, and folding shares too.",
    ),
    Equivalent(
        rf"(E6 {ENTERING} entry_filled late&keep_late|M1 {ENTERING} foreign_grown merges): "
        r"without recompute_break_even",
        "Break-even is not fixed before TP1, so there is nothing to count anew.",
    ),
    Equivalent(
        r"(E6|M1|B2) (TP1_HIT|STOP_AT_BREAK_EVEN) "
        r"(entry_filled (late&keep_late|!late)|foreign_grown merges): "
        r"owe_break_even for stop_to_held",
        "The instruction before has just counted break-even from the same books.",
    ),
    Equivalent(
        r"E6 CLOSED entry_filled: (exit_all|chase) for exit_late",
        "Nothing else is held in CLOSED, so all that is held is the late quantity.",
    ),
    Equivalent(
        r"(E6|T4|M2|H2) .*!held: stop_until_flat for cancel_stop",
        "Nothing is held: both drop the stop.",
    ),
    Equivalent(
        r"S2 .* stop_refused !passed&!stop_rests&spent: whatever stop_rests",
        "A stop that is seen to rest has its refusals forgotten: it is never spent and resting.",
    ),
    Equivalent(
        r"(S3 .*|H2 HALTED stop_loosened|S2 .* stop_overdue !closes_naked): "
        r"stop_until_flat for set_stop",
        "A stop is found loosened, or missed, only while something is held.",
    ),
    Equivalent(
        r"S1 CLOSING exit_ended third_try&!blind: whatever blind",
        "Who has been refused every second for a minute has been refused more than three times.",
    ),
    Equivalent(
        r"S2 .* rung_ended spent&!rearming: whatever rearming",
        "Only what is placed is refused three times, and a rung that may be rearming was placed "
        "as a stop.",
    ),
    Equivalent(
        r"P2 .*: fold_rungs for share_rungs",
        "What a person cancels was open, so the other rungs sum to less and folding shares too.",
    ),
    Equivalent(
        r"M1 .* foreign_grown merges: fold_rungs for share_rungs",
        "A merge adds to what there is to share, so folding shares too.",
    ),
    Equivalent(
        r"H1 CLOSING exit_ended blind: without cancel_entries|"
        r"H2 HALTED stop_refused passed&!stop_rests: without cancel_entries",
        "No entry works in this state; the row is taken on a venue's answer, and what it asks for "
        "leaves with the next poll.",
    ),
    Equivalent(
        r"(B1|B4) FULLY_FILLED (book|exit)_decided.*: without cancel_entries",
        "No entry works in this state, so there is none to cancel.",
    ),
    Equivalent(
        r"B2 .* entry_filled !late: fold_rungs for share_rungs",
        "What a scale-in fills adds to what there is to share, so folding shares too.",
    ),
    Equivalent(
        r"(B2 .* scale_in_elapsed|B3 .* entry_passed) !others_work: cancel_entries for drop_entry",
        "It is the only entry that works.",
    ),
    Equivalent(
        r"H2 HALTED stop_triggered !held: "
        r"(stop_to_held|stop_to_break_even|owe_break_even|stop_again) for cancel_stop",
        "Each declares the stop for nothing; one that has filled is not missed.",
    ),
    Equivalent(
        r"H2 HALTED flat_and_clear: (without|share_rungs for|fold_rungs for) cancel_rungs",
        "Only a ladder of which nothing had filled is found flat without an event that left "
        "nothing, and its rungs were never placed.",
    ),
)
