"""One module a command, with a function `command` or an `app` of several."""
