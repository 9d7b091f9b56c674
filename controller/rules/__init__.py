"""The management rules (SPEC §7): views in, proposals out.

A rule of your own takes a `views.PositionView` and returns what `proposals` makes, or None.
Nothing is imported here: whoever reads a configuration needs `settings` alone.
"""
