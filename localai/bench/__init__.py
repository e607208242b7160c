"""How fast models answer here: what is asked, how it is timed, and what may be concluded."""
