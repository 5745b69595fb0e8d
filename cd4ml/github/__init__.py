"""The GitHub Actions platform: files, commands and escaping."""
