// The weights of presynaptic neurons, columns of a matrix that learns from spikes, each brought up
// to date when it is needed: over m = 1, 2, ... time steps in which nothing arrived, so that the
// neuron's trace was held, held d, held d^2, ... in each network of the batch. With e_0..e_m-1 the
// products of trace and post factor in these steps, averaged over the batch,
//
//     no filter   w += rate dt E,  E = e_0 + ... + e_m-1
//     filter      w += rate dt (filtered (1 - a^m)/k + E - G),  filtered = a^m filtered + k G,
//                 G = a^(m-1) e_0 + ... + a e_m-2 + e_m-1,  k = dt/tau,  a = 1 - k
//
// E and G follow from sums over the stretch of steps since an origin, which belong to postsynaptic
// neurons: of d^i post_i, and of (d/a)^i post_i; microcircuit/events.py tells why they start anew.
//
// Functions that round are compiled by themselves, so that replicates agree with single runs.

#define ALONE __attribute__((noinline, noclone))

namespace events {

// Of one replicate; the arrays are those of an EventProjection.
template <typename Real, int n_pre, int n_post, int batch, bool has_filter>
struct Columns
{
    static const int SUMS = has_filter ? 2 : 1, ROW = SUMS*batch*n_post;
    static constexpr Real GONE = 1e-20;

    Real *w, *filtered;     // [pre, post]
    int64_t* current;       // [pre]
    Real* held;             // [pre, batch]
    double *sums, *before;  // [sum, batch, post], and for each step of the stretch
    double rate, decay, k;  // learning rate times dt; d; dt/tau of the filter
    int64_t origin;

    // Bring a column up to date with all steps before one.
    ALONE void advance(const int i, const int64_t step)
    {
        const int64_t from = current[i], steps = step - from;
        current[i] = step;
        if (steps == 0)
            return;
        double product[SUMS*n_post];
        const bool silent = !integrate(i, from, product);
        Real* __restrict weights = w + (size_t)i*n_post;
        if constexpr (has_filter)
        {
            Real* __restrict change = filtered + (size_t)i*n_post;
            const double past = std::pow(1 - k, (double)steps), released = (1 - past)/k;
            const double newest = past/(1 - k);
            for (int j = 0; j < n_post; j++)
            {
                const double e = silent ? 0 : product[j];
                const double g = silent ? 0 : newest*product[n_post + j];
                weights[j] += rate*(released*change[j] + e - g);
                change[j] = past*change[j] + k*g;
            }
        }
        else if (!silent)
            for (int j = 0; j < n_post; j++)
                weights[j] += rate*product[j];
    }

    // Take what the traces of a neuron are from now on.
    void hold(const int i, const Real* traces)
    {
        for (int b = 0; b < batch; b++)
        {
            const Real trace = traces[b*n_pre + i];
            held[i*batch + b] = std::abs(trace) <= GONE ? 0 : trace;
        }
    }

    // Start a presentation: all columns are up to date.
    void begin(const int64_t step, const Real* traces)
    {
        for (int i = 0; i < n_pre; i++)
        {
            current[i] = step;
            hold(i, traces);
        }
    }

    // Start a new stretch: what has a trace left is brought up to date, as sums are forgotten.
    void renew(const int64_t step, const Real* traces)
    {
        for (int i = 0; i < n_pre; i++)
        {
            for (int b = 0; b < batch && current[i] < step; b++)
                if (held[i*batch + b] != 0)
                    advance(i, step);
            if (current[i] == step)
                hold(i, traces);
        }
    }

    void advance_all(const int64_t step)
    {
        for (int i = 0; i < n_pre; i++)
            advance(i, step);
    }

    // Take the post factors of a step into the sums, if the rule is on.
    ALONE void add(
        const int64_t step, const Real* __restrict factors, const double* scale, const bool on)
    {
        memcpy(before + (step - origin)*ROW, sums, ROW*sizeof(double));
        for (int s = 0; s < SUMS && on; s++)
            for (int j = 0; j < batch*n_post; j++)
                sums[s*batch*n_post + j] += scale[s]*factors[j];
    }

private:
    // Sum up what a neuron's traces and the post factors have made since a step, if anything.
    bool integrate(const int i, const int64_t from, double* __restrict product) const
    {
        bool any = false;
        for (int b = 0; b < batch; b++)
        {
            if (held[i*batch + b] == 0)
                continue;
            for (int s = 0; s < SUMS; s++)
            {
                const double factor = s ? decay/(1 - k) : decay;
                const double power = std::pow(factor, (double)(origin - from));
                const double size = held[i*batch + b]*power/batch;
                const double* __restrict now = sums + (s*batch + b)*n_post;
                const double* __restrict then = before + (from - origin)*ROW + (s*batch + b)*n_post;
                double* __restrict total = product + s*n_post;
                for (int j = 0; j < n_post; j++)
                    total[j] = (any ? total[j] : 0) + size*(now[j] - then[j]);
            }
            any = true;
        }
        return any;
    }
};

}

#undef ALONE
