"""The EMA teacher: a copy whose weights follow the student's slowly. Source: Tarvainen & Valpola, NeurIPS 2017."""

import torch


@torch.no_grad()
def follow(teacher, student, momentum):
    """Move the teacher, in place: t <- momentum * t + (1 - momentum) * s. Buffers stay: a teacher measures its own statistics."""
    for t, s in zip(teacher.parameters(), student.parameters(), strict=True):
        t.lerp_(s, 1 - momentum)
