"""What tables are stored in: a module for each format, which `opening.FORMATS` lists."""
