"""`python -m vidgan_core` is `vidgan`."""

from vidgan_core.cli import main

if __name__ == "__main__":
    main()
