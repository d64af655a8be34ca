{# target[r, b, j] (+)= sum_i w[r, j, i] signal[r, b, i], with the weights brought up to date on the way #}
{# USES_VARIABLES { w, t_in_timesteps, _signal, _target } #}
{% extends 'common_group.cpp' %}
{% block extra_headers %}
#include <cstdlib>
#include <new>
{% include 'dense_shared.cpp' %}
{% endblock %}
{% block maincode %}
    {% if gated %}
    const int64_t _step = {{get_array_name(variables['t_in_timesteps'])}}[0];
    const bool _starts = _step == {{get_array_name(variables['_onset'])}}[{{get_array_name(variables['_presentation'])}}[0]];
    {% endif %}
    for (int _r = 0; _r < {{replicates}}; _r++)
        {{matrices}}[_r].drive<{{accumulate|lower}}>(
            {{get_array_name(variables['w'])}} + (size_t)_r*{{n_post*n_pre}},
            {{get_array_name(variables['filtered']) + ' + (size_t)_r*%d' % (n_post*n_pre) if filtered else 'nullptr'}},
            {{get_array_name(variables['_signal'])}} + (size_t)_r*{{batch*n_pre}},
            {{get_array_name(variables['_target'])}} + (size_t)_r*{{batch*n_post}},
            {{'_starts' if gated else 'false'}});
{% endblock %}
{% block extra_functions_cpp %}
{% set T = c_data_type(variables['w'].dtype) %}
void _flush_{{codeobj_name}}({{T}}* w, {{T}}* filtered)
{
    for (size_t r = 0; r < {{replicates}}; r++)
        {{matrices}}[r].flush(w + r*{{n_post*n_pre}}, filtered{{' + r*%d' % (n_post*n_pre) if filtered else ''}});
}

// The program's arrays start where lines of the cache do: a pass takes a third longer if its vectors lie
// in two of them. Weak, as each projection of a program defines these.
__attribute__((weak)) void* operator new[](size_t bytes)
{
    void* array;
    if (posix_memalign(&array, 64, bytes ? bytes : 1))
        throw std::bad_alloc();
    return array;
}

__attribute__((weak)) void operator delete[](void* array) noexcept { free(array); }

__attribute__((weak)) void operator delete[](void* array, size_t) noexcept { free(array); }
{% endblock %}
{% block after_code %}
    {% set T = c_data_type(variables['w'].dtype) %}
    void _flush_{{codeobj_name}}({{T}}*, {{T}}*);
    _flush_{{codeobj_name}}({{get_array_name(variables['w'])}}, {{get_array_name(variables['filtered']) if filtered else 'nullptr'}});
{% endblock %}
