"""Circuits from papers: one module each, with its equations, parameters and circuit builder."""

MODELS: dict[str, str] = {
    "guerguiev2017": (
        "J. Guerguiev, T. P. Lillicrap, B. A. Richards (2017), Towards deep learning with "
        "segregated dendrites, eLife 6:e22901"
    ),
    "sacramento2018": (
        "J. Sacramento, R. Ponte Costa, Y. Bengio, W. Senn (2018), Dendritic cortical "
        "microcircuits approximate the backpropagation algorithm, NeurIPS 31"
    ),
}
"""The modules of this package, and their papers, listed without importing them."""
