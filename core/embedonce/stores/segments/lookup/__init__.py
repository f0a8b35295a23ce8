"""From keys to rows, in memory."""
