"""Sessions as data that other tools read: chat rows."""
