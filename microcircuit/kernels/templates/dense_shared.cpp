{# What the files of drive and learning share: the matrices of all replicates, one object each. #}
{# These files may reorder and fuse operations, as every function that does is compiled by itself. #}
#pragma GCC optimize ("fp-contract=fast")
{% set T = c_data_type(variables['w'].dtype) %}
{% include 'dense_matrix.hpp' %}

inline microcircuit::DenseMatrix<{{T}}, {{n_post}}, {{n_pre}}, {{batch}}, {{'true' if filtered else 'false'}}, {{bounded|lower}}, {{shared|lower}}> {{matrices}}[{{replicates}}];
