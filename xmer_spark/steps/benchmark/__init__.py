"""Methods side by side: every data set, feature setting and method, measured in the same way."""
