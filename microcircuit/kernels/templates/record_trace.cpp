{# Sample an expression every few steps. #}
{# USES_VARIABLES { N, t_in_timesteps, _first_step, _interval, _table } #}
{% extends 'common_group.cpp' %}
{% block maincode %}
    const int64_t _step = {{get_array_name(variables['t_in_timesteps'])}}[0];
    const int64_t _every = {{get_array_name(variables['_interval'])}}[0];
    if (_step % _every != 0)
        return;
    const size_t _row = _step/_every - ({{get_array_name(variables['_first_step'])}}[0] + _every - 1)/_every;
    const size_t _vectorisation_idx = -1;
    {{scalar_code|autoindent}}
    for (int _idx = 0; _idx < N; _idx++)
    {
        const size_t _vectorisation_idx = _idx;
        {{vector_code|autoindent}}
        {{get_array_name(variables['_table'])}}[_row*N + _idx] = _value;
    }
{% endblock %}
