"""What devices say on a line and what is said to them: bytes into messages, leftovers and faults. No socket is here."""
