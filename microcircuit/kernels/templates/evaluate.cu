{# Statements for each neuron, one after the other. #}
{# USES_VARIABLES { N } #}
{% extends 'own_kernel.cu' %}
{% block kernel %}
__global__ void _run_kernel_{{codeobj_name}}(
    %KERNEL_PARAMETERS%
    )
{
    using namespace brian;
    %KERNEL_CONSTANTS%
    {{kernel_lines|autoindent}}
    const int _idx = blockIdx.x*blockDim.x + threadIdx.x;
    const int _vectorisation_idx = _idx;
    if (_idx >= N)
        return;
    {% for stage in stages %}
    {
        {{scalar_code[stage]|autoindent}}
        {{vector_code[stage]|autoindent}}
    }
    {% endfor %}
}
{% endblock %}
{% block launch %}
    _run_kernel_{{codeobj_name}}<<<(N + {{_threads - 1}})/{{_threads}}, {{_threads}}>>>(
        %HOST_PARAMETERS%
    );
{% endblock %}
