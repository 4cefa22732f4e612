"""`python -m nodepool_lite` is `nodepool-lite`."""

from nodepool_lite.cli.main import main

if __name__ == "__main__":
    main()
