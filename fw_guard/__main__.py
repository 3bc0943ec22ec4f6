"""``python -m fw_guard``."""

from fw_guard.cli import main

if __name__ == "__main__":
    main()
