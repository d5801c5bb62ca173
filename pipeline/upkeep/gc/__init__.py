"""What a store may be rid of: `reach` marks what must stay, `waste` lists the rest, `trash` removes it."""
