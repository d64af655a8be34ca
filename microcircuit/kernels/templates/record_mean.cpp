{# Average an expression over the last steps of each presentation, and over blocks of neurons. #}
{# USES_VARIABLES { N, t_in_timesteps, _presentation, _onset, _last, _sum, _table } #}
{% extends 'common_group.cpp' %}
{% block maincode %}
    const int64_t _step = {{get_array_name(variables['t_in_timesteps'])}}[0];
    const int64_t _p = {{get_array_name(variables['_presentation'])}}[0];
    const int64_t _end = {{get_array_name(variables['_onset'])}}[_p + 1];
    const int64_t _whole = {{get_array_name(variables['_onset'])}}[_p], _tail = _end - {{get_array_name(variables['_last'])}}[0];
    const int64_t _begin = _tail > _whole ? _tail : _whole;
    if (_step < _begin)
        return;
    double* __restrict _sums = {{get_array_name(variables['_sum'])}};
    const size_t _vectorisation_idx = -1;
    {{scalar_code|autoindent}}
    for (int _idx = 0; _idx < N; _idx++)
    {
        const size_t _vectorisation_idx = _idx;
        {{vector_code|autoindent}}
        _sums[_idx/{{block}}] += _value;
    }
    if (_step == _end - 1)
        for (int _i = 0; _i < {{rows}}; _i++)
        {
            {{get_array_name(variables['_table'])}}[(size_t)_p*{{rows}} + _i] = _sums[_i]/((_end - _begin)*{{block}});
            _sums[_i] = 0;
        }
{% endblock %}
