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
    "sacramento2018_generative": (
        "J. Sacramento, R. Ponte Costa, Y. Bengio, W. Senn (2018), Dendritic error "
        "backpropagation in deep cortical microcircuits, arXiv 1801.00062"
    ),
}
"""The modules that stand for a paper, listed without importing them."""
