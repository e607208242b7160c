"""All model stores together, as a user sees them: what they hold, and what can be done with it."""
