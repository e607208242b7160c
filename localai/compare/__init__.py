"""The comparison of models that are asked the same: side by side for one prompt, with statistics
for a suite of cases."""
