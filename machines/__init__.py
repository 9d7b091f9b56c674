"""The pure machines: tables, ladders and plans; no I/O, no clock, no chance."""
