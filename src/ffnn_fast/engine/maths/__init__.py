"""Elementary functions as branch-free C that compilers vectorise; error bounds stand at each."""
