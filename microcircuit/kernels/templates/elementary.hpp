// exp, log and others that give the same bits in vectors of any length and in scalars: see
// microcircuit/elementary.py, which says how it works.
//
// Nothing here may be reordered or contracted by the compiler: no -ffast-math, -ffp-contract=off.
#define INLINE inline __attribute__((always_inline))

namespace elementary {

INLINE double multiply_add(double a, double b, double c)
{
    #if defined(__FP_FAST_FMA) || defined(__FMA__) || defined(__aarch64__)
    return __builtin_fma(a, b, c);
    #else
    return a*b + c;
    #endif
}

INLINE float multiply_add(float a, float b, float c)
{
    #if defined(__FP_FAST_FMAF) || defined(__FMA__) || defined(__aarch64__)
    return __builtin_fmaf(a, b, c);
    #else
    return a*b + c;
    #endif
}

// What is particular to a format. Adding ROUNDER leaves a number's nearest integer in its last
// bits. LN2_HIGH has so few bits that its products with exponents are exact. LOG_SMALLEST and
// LOG_LARGEST bound the exponents whose exp is a normal number.
template <typename Real> struct Format;

template <> struct Format<double>
{
    typedef uint64_t Bits;
    static constexpr int MANTISSA = 52;
    static constexpr Bits BIAS = 1023, ONE = BIAS << MANTISSA, HALF_SQUARE_ROOT = 0x3fe6a09e667f3bcd;
    static constexpr double ROUNDER = 0x1.8p52, INTEGER = 0x1p52, SMALLEST = 0x1p-1022;
    static constexpr double LN2_HIGH = 0x1.62e42fefa4p-1, LN2_LOW = -0x1.8432a1b0e2634p-43;
    static constexpr double LOG_SMALLEST = -708.3964185322641, LOG_LARGEST = 709.782712893384;
    static constexpr double EXP[] = {
        0.5000000000000009, 0.16666666666666424, 0.041666666666542784, 0.008333333333491046,
        0.0013888888940700062, 0.00019841269507126253, 2.4801495844868032e-05,
        2.7557590330174183e-06, 2.762934800587081e-07, 2.4997741488467963e-08};
    static constexpr double LOG[] = {
        0.6666666666666712, 0.39999999999538877, 0.28571428718367803, 0.22222200785791082,
        0.18183458981333459, 0.15316554730068863, 0.1477242780852376};
    static constexpr double LOG1P[] = {
        0.6666666666666631, 0.4000000000015511, 0.2857142854811815, 0.22222223953639708,
        0.18181744479298048, 0.15386548387679927, 0.1330112144915158, 0.12104944321738532,
        0.08344974117782482, 0.1700975173050348};
    static constexpr double SINE[] = {
        0.5707963267948966, -0.6459640975062462, 0.07969262624616544, -0.004681754135302643,
        0.00016044118470682223, -3.5988430072090795e-06, 5.6921348727807676e-08,
        -6.684321725448708e-10, 5.870611122579035e-12};
};

template <> struct Format<float>
{
    typedef uint32_t Bits;
    static constexpr int MANTISSA = 23;
    static constexpr Bits BIAS = 127, ONE = BIAS << MANTISSA, HALF_SQUARE_ROOT = 0x3f3504f3;
    static constexpr float ROUNDER = 0x1.8p23f, INTEGER = 0x1p23f, SMALLEST = 0x1p-126f;
    static constexpr float LN2_HIGH = 0x1.62e4p-1f, LN2_LOW = 0x1.7f7d1cp-20f;
    static constexpr float LOG_SMALLEST = -87.33654f, LOG_LARGEST = 88.72283f;
    static constexpr float EXP[] = {
        0.49999994f, 0.16666523f, 0.041668355f, 0.008368542f, 0.0013815479f};
    static constexpr float LOG[] = {
        0.6666677f, 0.39978194f, 0.2985686f};
    static constexpr float LOG1P[] = {
        0.6666642f, 0.40021527f, 0.28001803f, 0.28011996f};
    static constexpr float SINE[] = {
        0.5707963f, -0.6459637f, 0.07968968f, -0.0046737664f, 0.00015148513f};
};

template <typename Real> INLINE typename Format<Real>::Bits bits(Real x)
{
    typename Format<Real>::Bits b;
    __builtin_memcpy(&b, &x, sizeof b);
    return b;
}

template <typename Real> INLINE Real number(typename Format<Real>::Bits b)
{
    Real x;
    __builtin_memcpy(&x, &b, sizeof x);
    return x;
}

template <int N, typename Real> INLINE Real power(Real x)
{
    if constexpr (N == 1)
        return x;
    else
        return power<N/2>(x)*power<N/2>(x);
}

// Halves are evaluated side by side (Estrin's scheme): fewer steps wait for each other.
template <int N, int FIRST = 0, typename Real, int ALL>
INLINE Real polynomial(const Real (&coefficients)[ALL], Real x)
{
    if constexpr (N == 1)
        return coefficients[FIRST];
    else
    {
        constexpr int LOW = N > 8 ? 8 : N > 4 ? 4 : N > 2 ? 2 : 1;
        return multiply_add(polynomial<N - LOW, FIRST + LOW>(coefficients, x), power<LOW>(x),
                            polynomial<LOW, FIRST>(coefficients, x));
    }
}

template <typename Real, int ALL> INLINE Real polynomial(const Real (&coefficients)[ALL], Real x)
{
    return polynomial<ALL>(coefficients, x);
}

// x = k ln 2 + r
template <typename Real> struct Reduced
{
    typename Format<Real>::Bits k; // in the last bits
    Real r;

    explicit INLINE Reduced(Real x)
    {
        typedef Format<Real> F;
        const Real shifted = multiply_add(x, Real(1.4426950408889634), F::ROUNDER);
        const Real rounded = shifted - F::ROUNDER;
        k = bits(shifted);
        r = multiply_add(-rounded, F::LN2_LOW, multiply_add(-rounded, F::LN2_HIGH, x));
    }
};

// For x between LOG_SMALLEST and LOG_LARGEST.
template <typename Real> INLINE Real exp_of_bounded(Real x)
{
    typedef Format<Real> F;
    const Reduced<Real> reduced(x);
    const Real r = reduced.r, p = 1 + multiply_add(r*r, polynomial(F::EXP, r), r);
    return number<Real>(bits(p) + (reduced.k << F::MANTISSA));
}

template <typename Real> INLINE Real exp(Real x)
{
    typedef Format<Real> F;
    const Real bounded = x <= F::LOG_LARGEST ? exp_of_bounded(x) : x + Real(INFINITY); // or NaN
    return x < F::LOG_SMALLEST ? 0 : bounded;
}

template <typename Real> INLINE Real expm1(Real x)
{
    typedef Format<Real> F;
    const Reduced<Real> reduced(x);
    const Real r = reduced.r, p = multiply_add(r*r, polynomial(F::EXP, r), r);
    // Half of 2^k, as 2^k may be too large by itself.
    const Real half = number<Real>((reduced.k + (F::BIAS - 1)) << F::MANTISSA);
    const Real y = 2*multiply_add(half, p, half - Real(0.5));
    const Real bounded = x <= F::LOG_LARGEST ? y : x + Real(INFINITY);
    return x < -40 ? -1 : bounded;
}

// For normal x > 0.
template <typename Real> INLINE Real log_of_normal(Real x)
{
    typedef Format<Real> F;
    typedef typename F::Bits Bits;
    // The exponent is one higher from HALF_SQUARE_ROOT on.
    const Bits b = bits(x) + (F::ONE - F::HALF_SQUARE_ROOT);
    const Bits fraction = (b & ((Bits(1) << F::MANTISSA) - 1)) + F::HALF_SQUARE_ROOT;
    const Real k = number<Real>((b >> F::MANTISSA) | bits(F::INTEGER)) - (F::INTEGER + F::BIAS);
    const Real f = number<Real>(fraction) - 1, s = f/(2 + f), z = s*s;
    const Real half_square = Real(0.5)*f*f;
    const Real small = multiply_add(s, half_square + z*polynomial(F::LOG, z), k*F::LN2_LOW);
    return multiply_add(k, F::LN2_HIGH, f - (half_square - small));
}

template <typename Real> INLINE Real log(Real x)
{
    const Real below = x < 0 ? Real(NAN) : -Real(INFINITY);
    const Real bounded = x < Real(INFINITY) ? log_of_normal(x) : x; // or NaN
    return x < Format<Real>::SMALLEST ? below : bounded;
}

template <typename Real> INLINE Real log1p(Real x)
{
    const Real y = 1 + x, lost = x - (y - 1);
    const Real below = x < -1 ? Real(NAN) : -Real(INFINITY);
    const Real bounded = x < Real(INFINITY) ? log_of_normal(y) + lost/y : x;
    return x <= -1 ? below : bounded;
}

// max(x, 0), where NaN counts as 0
template <typename Real> INLINE Real positive(Real x)
{
    return x > 0 ? x : 0;
}

// exp(-|x|)
template <typename Real> INLINE Real decay(Real x)
{
    const Real negative = x > 0 ? -x : x; // or NaN
    return negative < Format<Real>::LOG_SMALLEST ? 0 : exp_of_bounded(negative);
}

// log(1 + x) for 0 <= x <= 1
template <typename Real> INLINE Real log1p_of_fraction(Real x)
{
    const Real s = x/(2 + x), z = s*s;
    return multiply_add(s*z, polynomial(Format<Real>::LOG1P, z), 2*s);
}

// log(1 + exp(x))
template <typename Real> INLINE Real softplus(Real x)
{
    return positive(x) + log1p_of_fraction(decay(x));
}

template <typename Real> INLINE Real tanh(Real x)
{
    const Real e = expm1(x < 0 ? 2*x : -2*x), negative = e/(2 + e);
    return x < 0 ? negative : -negative;
}

template <typename Real> INLINE Real sqrt(Real x)
{
    return std::sqrt(x);
}

// sin(pi/2 w) for |w| <= 1
template <typename Real> INLINE Real sine_of_quarters(Real w)
{
    return multiply_add(w, polynomial(Format<Real>::SINE, w*w), w);
}

// Whole numbers count as double, as with the library's functions.
template <typename T> struct Promoted
{
    typedef double type;
};

template <> struct Promoted<float>
{
    typedef float type;
};

}

#undef INLINE
