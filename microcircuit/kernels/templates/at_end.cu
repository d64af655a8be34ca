{# Evaluate an expression for each neuron in the last step of presentations that are learnt from. #}
{# USES_VARIABLES { N, t_in_timesteps, _presentation, _onset, _learning, _result } #}
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
    if (_idx >= {{neurons}})
        return;
    const int _vectorisation_idx = _idx;
    {{scalar_code|autoindent}}
    {{vector_code|autoindent}}
    {{get_array_name(variables['_result'])}}[_idx] = _value;
}
{% endblock %}
{% block launch %}
    const int64_t _p = {{_host('_presentation')}}[0];
    if ({{_host('_learning')}}[_p] && {{_host('t_in_timesteps')}}[0] == {{_host('_onset')}}[_p + 1] - 1)
        _run_kernel_{{codeobj_name}}<<<{{_blocks(neurons)}}, {{_threads}}>>>(
            %HOST_PARAMETERS%
        );
{% endblock %}
