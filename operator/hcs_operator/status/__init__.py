"""What a stack's status says: one file per condition, each a pure function of `Facts`; `render` puts them together."""
