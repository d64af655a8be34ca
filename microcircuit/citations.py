"""What to cite, as BibTeX."""

from collections.abc import Iterable

SOFTWARE = """@software{{dendritic_microcircuit,
  title   = {{dendritic-microcircuit: cortical microcircuits that learn with dendritic errors}},
  author  = {{{{The dendritic-microcircuit developers}}}},
  version = {{{version}}}
}}"""

BRIAN2 = """@article{stimberg2019brian,
  title   = {Brian 2, an intuitive and efficient neural simulator},
  author  = {Stimberg, Marcel and Brette, Romain and Goodman, Dan F. M.},
  journal = {eLife},
  volume  = {8},
  pages   = {e47314},
  year    = {2019},
  doi     = {10.7554/eLife.47314}
}"""


def bibtex(papers: Iterable[str]) -> str:
    """Return the entries of papers together with Brian2's and this software's.

    Parameters
    ----------
    papers : iterable of str
        BibTeX entries, such as a model's ``CITATION``.
    """
    from microcircuit import __version__

    return "\n\n".join([*papers, BRIAN2, SOFTWARE.format(version=__version__)])
