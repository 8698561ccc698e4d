"""The command line: argv to one service call to text or JSON."""
