"""A local web application in which people review captions. The tables alone keep what they write."""
