{# At the onset of each presentation: copy its row of every stimulus table to the variable it sets. #}
{# In the last step of the last presentation: end the run after this step.                         #}
{# USES_VARIABLES { t_in_timesteps, presentation, onset, count } #}
{% extends 'own_kernel.cu' %}
{% block kernel %}
{% if inputs %}
__global__ void _run_kernel_{{codeobj_name}}(
    const int64_t _p,
    %KERNEL_PARAMETERS%
    )
{
    const int _first = blockIdx.x*blockDim.x + threadIdx.x;
    const int _stride = gridDim.x*blockDim.x;
    {% for table, target, size in inputs %}
    for (int _i = _first; _i < {{size}}; _i += _stride)
        {{get_array_name(variables[target])}}[_i] = {{get_array_name(variables[table])}}[_p*{{size}} + _i];
    {% endfor %}
}
{% endif %}
{% endblock %}
{% block launch %}
    const int64_t _step = {{_host('t_in_timesteps')}}[0];
    const int64_t* _onset = {{_host('onset')}};
    int64_t& _p = {{_host('presentation')}}[0];
    if (_step == _onset[_p + 1])
    {
        _p++;
        CUDA_SAFE_CALL(
                cudaMemcpy({{_device('presentation')}}, &_p, sizeof(_p), cudaMemcpyHostToDevice)
                );
    }
    {% if inputs %}
    if (_step == _onset[_p])
        _run_kernel_{{codeobj_name}}<<<{{_blocks(inputs|map(attribute=2)|max)}}, {{_threads}}>>>(
            _p,
            %HOST_PARAMETERS%
        );
    {% endif %}
    if (_step == _onset[{{_host('count')}}[0]] - 1)
        Network::_globally_stopped = true;
{% endblock %}
