{# A row for each time step: how often each neuron spiked. #}
{# USES_VARIABLES { N, t_in_timesteps, _space, _first_step, _table } #}
{% extends 'common_group.cpp' %}
{% block maincode %}
    const size_t _since = {{get_array_name(variables['t_in_timesteps'])}}[0] - {{get_array_name(variables['_first_step'])}}[0];
    int8_t* _row = {{get_array_name(variables['_table'])}} + _since*N;
    const int32_t* _spikes = {{get_array_name(variables['_space'])}};
    memset(_row, 0, N);
    for (int _n = 0; _n < _spikes[{{room}}]; _n++)
        _row[_spikes[_n]]++;
{% endblock %}
