"""What was measured, and what it says: outcomes, the front, the record of a study, statistics. No input or output."""
