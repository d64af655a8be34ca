{# One Euler step of the learning rule, both factors taken at the start of the step.              #}
{#   no filter: w += rate dt <post pre^T>                                                         #}
{#   filter:    w += rate dt filtered;  filtered += (dt/tau) (<post pre^T> - filtered)            #}
{# < > averages over the batch. Outside the rule's window the product counts as zero to a filter, #}
{# and without one nothing changes; nor does anything without learning or at a rate of zero. What #}
{# does not change is not clipped either.                                                         #}
{# A rule that acts at the end does so in a presentation's last step: w += rate <post pre^T>      #}
{# But for batches dense_matrix.hpp puts it off until the next drive, which passes over the       #}
{# weights anyway.                                                                                #}
{# USES_VARIABLES { w, dt, t_in_timesteps, learning_rate, _post, _pre } #}
{% extends 'common_group.cpp' %}
{% block extra_headers %}
{% include 'dense_shared.cpp' %}
{% endblock %}
{% block maincode %}
    const double _dt = {{get_array_name(variables['dt'])}}[0];
    {% if gated %}
    const int64_t _p = {{get_array_name(variables['_presentation'])}}[0];
    if (!{{get_array_name(variables['_learning'])}}[_p])
        return;
    {% endif %}
    {% if at_end %}
    if ({{get_array_name(variables['t_in_timesteps'])}}[0] != {{get_array_name(variables['_onset'])}}[_p + 1] - 1)
        return;
    {% endif %}
    {% if windowed %}
    const int64_t _since = {{get_array_name(variables['t_in_timesteps'])}}[0] - {{get_array_name(variables['_onset'])}}[_p];
    const bool _on = _since >= {{get_array_name(variables['window_start'])}}[0] && _since < {{get_array_name(variables['window_stop'])}}[0];
    {% endif %}
    for (int _r = 0; _r < {{replicates}}; _r++)
        if ({{get_array_name(variables['learning_rate'])}}[_r] != 0)
            {{matrices}}[_r].learn(
                {{get_array_name(variables['w'])}} + (size_t)_r*{{n_post*n_pre}},
                {{get_array_name(variables['filtered']) + ' + (size_t)_r*%d' % (n_post*n_pre) if filtered else 'nullptr'}},
                {{get_array_name(variables['_post'])}} + (size_t)_r*{{batch*n_post}},
                {{get_array_name(variables['_pre'])}} + (size_t)_r*{{batch*n_pre}},
                {{'' if at_end else '_dt*'}}{{get_array_name(variables['learning_rate'])}}[_r],
                {{'_dt/%s[0]' % get_array_name(variables['tau']) if filtered else '0'}},
                {{get_array_name(variables['w_min']) + '[0]' if bounded else '0'}},
                {{get_array_name(variables['w_max']) + '[0]' if bounded else '0'}},
                {{'_on' if windowed else 'true'}});
{% endblock %}
