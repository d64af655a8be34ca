{# Statements for each neuron, in several loops, one after the other: see microcircuit/stages.py. #}
{# USES_VARIABLES { N } #}
{% extends 'common_group.cpp' %}
{% block maincode %}
    {% for stage in stages %}
    {
        const size_t _vectorisation_idx = -1;
        {{scalar_code[stage]|autoindent}}
        {# Arrays do not overlap. GCC would check that for a few of them only, and give up. #}
        #pragma GCC ivdep
        for (int _idx = 0; _idx < N; _idx++)
        {
            const size_t _vectorisation_idx = _idx;
            {{vector_code[stage]|autoindent}}
        }
    }
    {% endfor %}
{% endblock %}
