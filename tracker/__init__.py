"""From a person's fights to data: record a session, align it, explain it, write it as chat rows."""
