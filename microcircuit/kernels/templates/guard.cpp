{# At the end of each presentation: stop the run if a variable is not a number or out of bounds. #}
{# USES_VARIABLES { t_in_timesteps, presentation, onset, diverged } #}
{% extends 'common_group.cpp' %}
{% block maincode %}
    const int64_t _p = {{get_array_name(variables['presentation'])}}[0];
    if ({{get_array_name(variables['t_in_timesteps'])}}[0] != {{get_array_name(variables['onset'])}}[_p + 1] - 1)
        return;
    {# Compared so that NaN counts as out of bounds too. #}
    {% for key, size, low, high in checks %}
    for (int _i = 0; _i < {{size}}; _i++)
        if (!({{get_array_name(variables[key])}}[_i] >= {{low}} && {{get_array_name(variables[key])}}[_i] <= {{high}}))
        {
            {{get_array_name(variables['diverged'])}}[0] = {{loop.index}};
            Network::_globally_stopped = true;
            return;
        }
    {% endfor %}
{% endblock %}
