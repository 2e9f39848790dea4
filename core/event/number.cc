// Numbers as texts and back: what the C++ library has and C lacks (std::to_chars, std::from_chars) behind C functions.
// Called by the codecs and by whoever writes JSON, on any thread.
#include "number.h"

#include <charconv>
#include <cmath>
#include <cstring>

namespace {

constexpr double EXACT = 9007199254740992.0; // 2^53: up to here every integer is a double of its own

// 10^0 to 10^22 are doubles without an error, so that one multiplication or division of an exact mantissa rounds once.
constexpr double POWER[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                            1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

// 1/10^k for k from 1 to 19, as the upper 64 bits of its binary digits, cut off, and the exponent of the double
// that puts the point of divide's product in its place.
struct inverse {
	uint64_t digits;
	int scale;
};
constexpr uint32_t INVERSES = 20;
struct inverses {
	inverse of[INVERSES];
	constexpr inverses() : of{}
	{
		uint64_t power = 1;
		for (uint32_t k = 1; k < INVERSES; k++) {
			power *= 10;
			int bits = 64 - __builtin_clzll(power);
			of[k] = {(uint64_t)(((unsigned __int128)1 << (63 + bits)) / power), 1025 - bits};
		}
	}
};
constexpr inverses INVERSE;

constexpr uint64_t TEN[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};

inline bool digit(const char *s, const char *end)
{
	return s < end && (unsigned char)(*s - '0') < 10;
}

// Eight characters as one word, the first in its lowest byte.
inline uint64_t word(const char *s)
{
	uint64_t w;
	std::memcpy(&w, s, sizeof w);
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? w : __builtin_bswap64(w);
}

// The number that eight digits are: pairs, then fours, then all are put together within the word. False: they are not
// all digits.
inline bool eight(uint64_t w, uint64_t *v)
{
	w -= 0x3030303030303030;
	if ((w | (w + 0x7676767676767676)) & 0x8080808080808080)
		return false;
	w = (w * 10 + (w >> 8)) & 0x00FF00FF00FF00FF;
	w = (w * 100 + (w >> 16)) & 0x0000FFFF0000FFFF;
	*v = (w * 10000 + (w >> 32)) & 0xFFFFFFFF;
	return true;
}

// mantissa / 10^k for a mantissa that is exact and not 0. The product with the cut-off inverse is too small, but by less
// than two units of its upper word, one and a half of the word without its last bit. Where these could carry it over
// the middle between two doubles, which is a multiple of 256 there, it is false (one text of a hundred).
inline bool divide(uint64_t mantissa, uint32_t k, double *d)
{
	int zeros = __builtin_clzll(mantissa);
	uint64_t product = (uint64_t)(((unsigned __int128)(mantissa << zeros) * INVERSE.of[k].digits) >> 64) >> 1;
	if (((product + 1) & 255) <= 1)
		return false;
	uint64_t scale = (uint64_t)(INVERSE.of[k].scale - zeros) << 52;
	double power;
	std::memcpy(&power, &scale, sizeof power);
	*d = (double)(int64_t)product * power; // the first rounds, the second is a shift
	return true;
}

// A number as most are written: up to 15 digits, or digits and a point and up to 16 more, 19 in all. False: it is
// another one, or none. The digits behind the point are taken as eight and the rest, and the rest, whatever its number,
// as eight with zeros put over what stands before it: loops of an unsteady length cost more than all of this.
inline bool plain(const char *p, const char *end, double *d)
{
	bool negative = p < end && *p == '-';
	const char *lead = p + negative, *s = lead;
	uint64_t m = 0, v;
	if (end - s > 8 && eight(word(s), &m))
		s += 8;
	for (; digit(s, end); s++)
		m = m * 10 + (uint64_t)(*s - '0');
	int64_t whole = s - lead, rest = end - s - 1;
	if (whole == 0 || (whole > 1 && *lead == '0') || whole > 15)
		return false;
	if (rest < 0) {
		*d = negative ? -(double)m : (double)m;
		return true;
	}
	if (*s != '.' || (uint64_t)(rest - 1) > 15 || whole + rest > 19 || end - p < 8)
		return false;
	uint32_t k = (uint32_t)rest;
	if (rest > 8) {
		if (!eight(word(s + 1), &v))
			return false;
		m = m * TEN[8] + v;
		rest -= 8;
	}
	uint64_t before = ~(uint64_t)0 >> 4 * rest >> 4 * rest; // by 64 at most, in two steps
	if (!eight((word(end - 8) & ~before) | (0x3030303030303030 & before), &v))
		return false;
	m = m * TEN[rest] + v;
	double quotient;
	if (m == 0 || !divide(m, k, &quotient))
		return false;
	*d = negative ? -quotient : quotient;
	return true;
}

// The parts of a JSON number's text.
struct parts {
	uint64_t mantissa;   // all digits, modulo 2^64
	const char *lead;    // the first digit
	uint32_t whole;      // digits before the point
	uint32_t fraction;   // and behind it
	int64_t exponent;    // as written
	bool negative, integer;
};

inline const char *digits(const char *s, const char *end, uint64_t *mantissa)
{
	for (uint64_t v; end - s >= 8 && eight(word(s), &v); s += 8)
		*mantissa = *mantissa * 100000000 + v;
	while (digit(s, end))
		*mantissa = *mantissa * 10 + (uint64_t)(*s++ - '0');
	return s;
}

// Takes a JSON number's text apart; false where it is none.
inline bool split(const char *s, const char *end, parts *n)
{
	*n = {};
	n->negative = s < end && *s == '-';
	s += n->negative;
	n->lead = s;
	s = digits(s, end, &n->mantissa);
	n->whole = (uint32_t)(s - n->lead);
	if (n->whole == 0 || (n->whole > 1 && *n->lead == '0'))
		return false;
	n->integer = s == end;
	if (s < end && *s == '.') {
		const char *point = s++;
		s = digits(s, end, &n->mantissa);
		n->fraction = (uint32_t)(s - point - 1);
		if (n->fraction == 0)
			return false;
	}
	if (s < end && (*s == 'e' || *s == 'E')) {
		s++;
		bool minus = s < end && *s == '-';
		s += s < end && (*s == '-' || *s == '+');
		if (!digit(s, end))
			return false;
		for (; digit(s, end); s++)
			if (n->exponent < 1000000000000)
				n->exponent = n->exponent * 10 + (*s - '0');
		if (minus)
			n->exponent = -n->exponent;
	}
	return s == end;
}

// Whether a number that from_chars can't hold is too large (and not too small): by the place of its first digit.
bool too_large(const parts &n)
{
	int64_t place = (int64_t)n.whole + n.exponent;
	const char *s = n.lead;
	for (uint32_t left = n.whole + n.fraction; left && (*s == '0' || *s == '.'); s++)
		if (*s == '0') {
			place--;
			left--;
		}
	return place > 0;
}

// Any number's nearest double, by the library. -1: beyond one.
int nearest(const char *p, uint32_t len, const parts &n, double *d)
{
	auto r = std::from_chars(p, p + len, *d);
	if (r.ec == std::errc::result_out_of_range || (r.ec == std::errc() && std::isinf(*d))) {
		if (too_large(n))
			return -1;
		*d = n.negative ? -0.0 : 0.0;
	}
	return 1;
}

// An integer beyond 2^53. 2: it fits 64 bits.
int big(const char *p, uint32_t len, const parts &n, double *d, int64_t *i, int *is_unsigned)
{
	uint64_t u = 0;
	if (n.whole > 20 || std::from_chars(n.lead, n.lead + n.whole, u).ec != std::errc())
		return nearest(p, len, n, d);
	if (n.negative) {
		if (u > (uint64_t)1 << 63)
			return nearest(p, len, n, d);
		u = 0 - u;
		*is_unsigned = 0;
		*d = (double)(int64_t)u;
	} else {
		*is_unsigned = u > (uint64_t)INT64_MAX;
		*d = (double)u;
	}
	std::memcpy(i, &u, sizeof u);
	return 2;
}

} // namespace

// Any number at all.
__attribute__((noinline)) static int read(const char *p, uint32_t len, double *d, int64_t *i, int *is_unsigned)
{
	parts n;
	if (!split(p, p + len, &n))
		return 0;
	uint64_t count = (uint64_t)n.whole + n.fraction;
	bool exact = count <= 19 && n.mantissa <= (uint64_t)1 << 53;
	if (n.integer && !exact)
		return big(p, len, n, d, i, is_unsigned);
	int64_t e = n.exponent - n.fraction;
	if (!exact || e < -22 || e > 22)
		return nearest(p, len, n, d);
	double v = (double)n.mantissa;
	v = e < 0 ? v / POWER[-e] : v * POWER[e];
	*d = n.negative ? -v : v;
	return 1;
}

extern "C" int fl_number_read(const char *p, uint32_t len, double *d, int64_t *i, int *is_unsigned)
{
	return plain(p, p + len, d) ? 1 : read(p, len, d, i, is_unsigned);
}

extern "C" uint32_t fl_integer_write(char *to, int64_t v)
{
	return (uint32_t)(std::to_chars(to, to + FL_NUMBER_MAX, v).ptr - to);
}

extern "C" uint32_t fl_unsigned_write(char *to, uint64_t v)
{
	return (uint32_t)(std::to_chars(to, to + FL_NUMBER_MAX, v).ptr - to);
}

extern "C" uint32_t fl_number_write(char *to, double v)
{
	if (std::fabs(v) <= EXACT && v == (double)(int64_t)v) {
		if (v == 0 && std::signbit(v)) {
			std::memcpy(to, "-0", 2);
			return 2;
		}
		return fl_integer_write(to, (int64_t)v);
	}
	return (uint32_t)(std::to_chars(to, to + FL_NUMBER_MAX, v).ptr - to);
}

extern "C" uint32_t fl_fixed_write(char *to, uint32_t size, double v)
{
	auto r = std::to_chars(to, to + size, v, std::chars_format::fixed);
	return r.ec == std::errc() ? (uint32_t)(r.ptr - to) : 0;
}
