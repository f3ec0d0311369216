"""Records in, settled positions out: decode, gather, deliver, dead-letter, and only then call it done."""
