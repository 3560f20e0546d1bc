"""Faults put into everything that haa reads, and kills into everything that it does: nothing executed, nothing lost.

    python -m benchmarks.torture [inputs | attacks | kills | disks | evaluate] [--seed N] [--minutes M] [--count N]

See docs/torture.md.
"""
