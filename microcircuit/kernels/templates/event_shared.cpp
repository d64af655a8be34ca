{# What learning and drive of an event projection share: the columns of a replicate. #}
{% set T = c_data_type(variables['w'].dtype) %}
{% macro columns(replicate) %}
events::Columns<{{T}}, {{n_pre}}, {{n_post}}, {{batch}}, {{'true' if filtered else 'false'}}>{
    {{get_array_name(variables['w'])}} + (size_t){{replicate}}*{{n_pre*n_post}},
    {{get_array_name(variables['filtered']) + ' + (size_t)%s*%d' % (replicate, n_pre*n_post) if filtered else 'nullptr'}},
    {{get_array_name(variables['current'])}} + (size_t){{replicate}}*{{n_pre}},
    {{get_array_name(variables['held'])}} + (size_t){{replicate}}*{{n_pre*batch}},
    {{get_array_name(variables['sums'])}} + (size_t){{replicate}}*{{kinds*batch*n_post}},
    {{get_array_name(variables['before'])}} + (size_t){{replicate}}*{{stretch*kinds*batch*n_post}},
    (double){{get_array_name(variables['dt'])}}[0]*{{get_array_name(variables['learning_rate'])}}[{{replicate}}],
    {{get_array_name(variables['decay'])}}[0],
    {{'%s[0]/%s[0]' % (get_array_name(variables['dt']), get_array_name(variables['tau'])) if filtered else '0.0'}},
    {{get_array_name(variables['origin'])}}[0]}
{%- endmacro %}
