{# At the end of each presentation: stop the run if a variable is not a number or out of bounds. #}
{# USES_VARIABLES { t_in_timesteps, presentation, onset, diverged } #}
{% extends 'own_kernel.cu' %}
{% block kernel %}
{% if checks %}
// The first check that fails counts: the later a check, the smaller the number that is kept for it.
__global__ void _run_kernel_{{codeobj_name}}(
    %KERNEL_PARAMETERS%
    )
{
    unsigned long long* _failed = (unsigned long long*){{get_array_name(variables['diverged'])}};
    const int _first = blockIdx.x*blockDim.x + threadIdx.x;
    const int _stride = gridDim.x*blockDim.x;
    {# Compared so that NaN counts as out of bounds too. #}
    {% for key, size, low, high in checks %}
    for (int _i = _first; _i < {{size}}; _i += _stride)
        if (!({{get_array_name(variables[key])}}[_i] >= {{low}} && {{get_array_name(variables[key])}}[_i] <= {{high}}))
            atomicMax(_failed, (unsigned long long){{loop.revindex}});
    {% endfor %}
}
{% endif %}
{% endblock %}
{% block launch %}
    {% if checks %}
    const int64_t _p = {{_host('presentation')}}[0];
    if ({{_host('t_in_timesteps')}}[0] == {{_host('onset')}}[_p + 1] - 1)
    {
        _run_kernel_{{codeobj_name}}<<<{{_blocks(checks|map(attribute=1)|max)}}, {{_threads}}>>>(
            %HOST_PARAMETERS%
        );
        int64_t& _diverged = {{_host('diverged')}}[0];
        CUDA_SAFE_CALL(
                cudaMemcpy(&_diverged, {{_device('diverged')}}, sizeof(_diverged), cudaMemcpyDeviceToHost)
                );
        if (_diverged)
        {
            _diverged = {{checks|length + 1}} - _diverged;
            CUDA_SAFE_CALL(
                    cudaMemcpy({{_device('diverged')}}, &_diverged, sizeof(_diverged), cudaMemcpyHostToDevice)
                    );
            Network::_globally_stopped = true;
        }
    }
    {% endif %}
{% endblock %}
