"""Instruction data: candidate lists, negatives, the teacher, the paper's two tasks."""
