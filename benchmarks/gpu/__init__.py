"""What haa does on an accelerator: python -m benchmarks.gpu."""
