{# Sample an expression every few steps. #}
{# USES_VARIABLES { N, t_in_timesteps, _first_step, _interval, _table } #}
{% extends 'own_kernel.cu' %}
{% block kernel %}
__global__ void _run_kernel_{{codeobj_name}}(
    const int64_t _row,
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
    {{scalar_code|autoindent}}
    {
        {{vector_code|autoindent}}
        {{get_array_name(variables['_table'])}}[_row*N + _idx] = _value;
    }
}
{% endblock %}
{% block launch %}
    const int64_t _step = {{_host('t_in_timesteps')}}[0];
    const int64_t _every = {{_host('_interval')}}[0];
    if (_step % _every == 0)
        _run_kernel_{{codeobj_name}}<<<(N + {{_threads - 1}})/{{_threads}}, {{_threads}}>>>(
            _step/_every - ({{_host('_first_step')}}[0] + _every - 1)/_every,
            %HOST_PARAMETERS%
        );
{% endblock %}
