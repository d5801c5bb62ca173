"""How bytes are kept: files, objects, tables, stage outputs."""
