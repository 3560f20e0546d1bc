"""``haa doctor``: what is installed here and what the machine has, for whoever reports a fault."""
