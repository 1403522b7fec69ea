"""How good past runs were against what was then observed."""
