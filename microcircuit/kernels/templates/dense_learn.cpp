{# One Euler step of the learning rule, both factors taken at the start of the step.              #}
{#   no filter: w += rate dt <post pre^T>                                                         #}
{#   filter:    w += rate dt filtered;  filtered += (dt/tau) (<post pre^T> - filtered)            #}
{# < > averages over the batch. Outside the rule's window the product counts as zero; in a        #}
{# presentation without learning nothing changes at all. A rate of zero leaves the filter alone.  #}
{# USES_VARIABLES { w, dt, t_in_timesteps, learning_rate, _post, _pre } #}
{% extends 'common_group.cpp' %}
{% block maincode %}
    {% set T = c_data_type(variables['w'].dtype) %}
    {% set mean = '' if batch == 1 else ' * %r' % (1.0/batch) %}
    const double _dt = {{get_array_name(variables['dt'])}}[0];
    {% if gated %}
    const int64_t _p = {{get_array_name(variables['_presentation'])}}[0];
    if (!{{get_array_name(variables['_learning'])}}[_p])
        return;
    {% endif %}
    {% if windowed %}
    const int64_t _since = {{get_array_name(variables['t_in_timesteps'])}}[0] - {{get_array_name(variables['_onset'])}}[_p];
    const bool _on = _since >= {{get_array_name(variables['window_start'])}}[0] && _since < {{get_array_name(variables['window_stop'])}}[0];
    {% if not filtered %}
    if (!_on)
        return;
    {% endif %}
    {% endif %}
    {% if filtered %}
    const {{T}} _k = _dt/{{get_array_name(variables['tau'])}}[0];
    {% endif %}
    for (int _r = 0; _r < {{replicates}}; _r++)
    {
        const {{T}} _rate = _dt*{{get_array_name(variables['learning_rate'])}}[_r];
        if (_rate == 0)
            continue;
        for (int _j = 0; _j < {{n_post}}; _j++)
        {
            const size_t _start = ((size_t)_r*{{n_post}} + _j)*{{n_pre}};
            {{T}}* __restrict _w = {{get_array_name(variables['w'])}} + _start;
            {% if filtered %}
            {{T}}* __restrict _d = {{get_array_name(variables['filtered'])}} + _start;
            {% endif %}
            for (int _b = 0; _b < {{batch}}; _b++)
            {
                const size_t _row = (size_t)_r*{{batch}} + _b;
                const {{T}}* __restrict _x = {{get_array_name(variables['_pre'])}} + _row*{{n_pre}};
                const {{T}} _e = {{get_array_name(variables['_post'])}}[_row*{{n_post}} + _j]{{mean}}{{' * _on' if windowed else ''}};
                {% if filtered %}
                {% if batch == 1 %}
                for (int _i = 0; _i < {{n_pre}}; _i++)
                {
                    const {{T}} _old = _d[_i];
                    _w[_i] += _rate*_old;
                    _d[_i] = _old + _k*(_e*_x[_i] - _old);
                }
                {% else %}
                if (_b == 0)
                    for (int _i = 0; _i < {{n_pre}}; _i++)
                    {
                        _w[_i] += _rate*_d[_i];
                        _d[_i] -= _k*_d[_i];
                    }
                for (int _i = 0; _i < {{n_pre}}; _i++)
                    _d[_i] += _k*_e*_x[_i];
                {% endif %}
                {% else %}
                for (int _i = 0; _i < {{n_pre}}; _i++)
                    _w[_i] += _rate*_e*_x[_i];
                {% endif %}
            }
            {% if bounded %}
            const {{T}} _low = {{get_array_name(variables['w_min'])}}[0], _high = {{get_array_name(variables['w_max'])}}[0];
            for (int _i = 0; _i < {{n_pre}}; _i++)
                _w[_i] = _w[_i] < _low ? _low : (_w[_i] > _high ? _high : _w[_i]);
            {% endif %}
        }
    }
{% endblock %}
