"""The checker that jaxtyping calls on every function of the package while tests run."""

from beartype import BeartypeConf, beartype

# An int may be given where a float is asked for, as type checkers have it.
check = beartype(conf=BeartypeConf(is_pep484_tower=True))
