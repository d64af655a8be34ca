{# The mean of an expression over the last stretch of each presentation, whole in its last step and #}
{# kept until that of the next; with a lag the stretch of a neuron ends so long before.            #}
{# USES_VARIABLES { N, dt, t_in_timesteps, _presentation, _onset, _mean, _sum, _last } #}
{% extends 'common_group.cpp' %}
{% block maincode %}
    {% set T = c_data_type(variables['_mean'].dtype) %}
    const int64_t _step = {{get_array_name(variables['t_in_timesteps'])}}[0];
    const int64_t _p = {{get_array_name(variables['_presentation'])}}[0];
    const int64_t _start = {{get_array_name(variables['_onset'])}}[_p];
    const int64_t _end = {{get_array_name(variables['_onset'])}}[_p + 1];
    const int64_t _last = {{get_array_name(variables['_last'])}}[0];
    double* __restrict _sums = {{get_array_name(variables['_sum'])}};
    {{T}}* __restrict _means = {{get_array_name(variables['_mean'])}};
    {% if before %}
    if (_step == _start)
        memcpy({{get_array_name(variables['_before'])}}, _means, N*sizeof({{T}}));
    {% endif %}
    {% if lagged %}
    const double _dt = {{get_array_name(variables['dt'])}}[0];
    {% else %}
    const int64_t _begin = _end - _last > _start ? _end - _last : _start;
    if (_step < _begin)
        return;
    {% endif %}
    const size_t _vectorisation_idx = -1;
    {{scalar_code|autoindent}}
    for (int _idx = 0; _idx < N; _idx++)
    {
        const size_t _vectorisation_idx = _idx;
        {% if lagged %}
        const int64_t _stop = _end - (int64_t)std::lround({{get_array_name(variables['_lag'])}}[_idx]/_dt);
        if (_step < _stop - _last || _step >= _stop)
            continue;
        {% endif %}
        {{vector_code|autoindent}}
        _sums[_idx] += _value;
    }
    if (_step == _end - 1)
        for (int _idx = 0; _idx < N; _idx++)
        {
            {% if lagged %}
            const int64_t _stop = _end - (int64_t)std::lround({{get_array_name(variables['_lag'])}}[_idx]/_dt);
            const int64_t _begin = _stop - _last > _start ? _stop - _last : _start;
            {% else %}
            const int64_t _stop = _end;
            {% endif %}
            _means[_idx] = _sums[_idx]/(_stop > _begin ? _stop - _begin : 1);
            _sums[_idx] = 0;
        }
{% endblock %}
