{# Sums for the learning rule, and columns where sums end; event_columns.hpp says what is computed. #}
{# USES_VARIABLES { w, dt, t_in_timesteps, learning_rate, decay, current, held, origin, scale, sums, before, _spikes, _post, _pre, _presentation, _learning, _onset } #}
{% extends 'common_group.cpp' %}
{% from 'event_shared.cpp' import columns with context %}
{% block extra_headers %}
{% include 'event_columns.hpp' %}
{% endblock %}
{% block maincode %}
    {% macro each_replicate() %}
    for (int _r = 0; _r < {{replicates}}; _r++)
    {
        if ({{get_array_name(variables['learning_rate'])}}[_r] == 0)
            continue;
        auto _columns = {{columns('_r')}};
{{caller()}}
    }
    {% endmacro %}
    const int64_t _step = {{get_array_name(variables['t_in_timesteps'])}}[0];
    const int64_t _p = {{get_array_name(variables['_presentation'])}}[0];
    if (!{{get_array_name(variables['_learning'])}}[_p])
        return;
    const int64_t _first = {{get_array_name(variables['_onset'])}}[_p];
    const bool _last = _step == {{get_array_name(variables['_onset'])}}[_p + 1] - 1;
    {% if windowed %}
    const int64_t _since = _step - _first;
    const bool _on = _since >= {{get_array_name(variables['window_start'])}}[0] && _since < {{get_array_name(variables['window_stop'])}}[0];
    {% else %}
    const bool _on = true;
    {% endif %}
    int64_t* _origin = {{get_array_name(variables['origin'])}};
    double* _scale = {{get_array_name(variables['scale'])}};
    const bool _anew = _step == _first || _step - *_origin == {{stretch}};
    {# Neurons that have spiked at the end of the step before were brought up to date then. #}
    const int32_t* _list = {{get_array_name(variables['_spikes'])}};
    for (int _n = 0; _n < _list[{{space}}] && !_anew; _n++)
    {
        const int _r = _list[_n]/{{batch*n_pre}};
        if ({{get_array_name(variables['learning_rate'])}}[_r] != 0)
            {{columns('_r')}}.hold(_list[_n]%{{n_pre}}, {{get_array_name(variables['_pre'])}} + (size_t)_r*{{batch*n_pre}});
    }
    {% call each_replicate() %}
        const auto* _traces = {{get_array_name(variables['_pre'])}} + (size_t)_r*{{batch*n_pre}};
        if (_step == _first)
            _columns.begin(_step, _traces);
        else if (_anew)
            _columns.renew(_step, _traces);
    {% endcall %}
    if (_anew)
    {
        *_origin = _step;
        std::fill_n(_scale, {{kinds}}, 1.0);
        std::fill_n({{get_array_name(variables['sums'])}}, {{replicates*kinds*batch*n_post}}, 0.0);
    }
    {% call each_replicate() %}
        _columns.add(_step, {{get_array_name(variables['_post'])}} + (size_t)_r*{{batch*n_post}}, _scale, _on);
        if (_last)
            _columns.advance_all(_step + 1);
    {% endcall %}
    _scale[0] *= {{get_array_name(variables['decay'])}}[0];
    {% if filtered %}
    _scale[1] *= {{get_array_name(variables['decay'])}}[0]/(1 - (double){{get_array_name(variables['dt'])}}[0]/{{get_array_name(variables['tau'])}}[0]);
    {% endif %}
{% endblock %}
