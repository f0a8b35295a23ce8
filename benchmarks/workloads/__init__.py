"""What is measured: each module has one function `measure` that takes a `Run`."""
