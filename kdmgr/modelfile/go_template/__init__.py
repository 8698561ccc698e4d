"""Go's template language, as far as chat templates use it: enough to see what a TEMPLATE makes of a chat."""
