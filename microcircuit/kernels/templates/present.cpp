{# At the onset of each presentation: copy its row of every stimulus table to the variable it sets. #}
{# In the last step of the last presentation: end the run after this step.                         #}
{# USES_VARIABLES { t_in_timesteps, presentation, onset, count } #}
{% extends 'common_group.cpp' %}
{% block maincode %}
    const int64_t _step = {{get_array_name(variables['t_in_timesteps'])}}[0];
    const int64_t* _onset = {{get_array_name(variables['onset'])}};
    int64_t& _p = {{get_array_name(variables['presentation'])}}[0];
    if (_step == _onset[_p + 1])
        _p++;
    if (_step == _onset[_p])
    {
        {% for table, target, size in inputs %}
        for (int _i = 0; _i < {{size}}; _i++)
            {{get_array_name(variables[target])}}[_i] = {{get_array_name(variables[table])}}[(size_t)_p*{{size}} + _i];
        {% endfor %}
    }
    if (_step == _onset[{{get_array_name(variables['count'])}}[0]] - 1)
        Network::_globally_stopped = true;
{% endblock %}
