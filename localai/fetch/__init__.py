"""From a source that the user names to verified files in a store of this machine."""
