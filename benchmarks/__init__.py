"""What a step costs, side by side with other simulators and the machine's own limits.

Run with ``make bench`` or ``python -m benchmarks.run``; ``README.md`` says what is measured.
"""
