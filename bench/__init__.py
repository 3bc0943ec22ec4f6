"""What fw-guard costs, measured beside what others cost: in the same run, on the same machine."""
