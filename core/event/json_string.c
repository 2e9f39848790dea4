/* JSON strings, written and read. Called by the codec and by whoever writes JSON, on any thread. */
#include "json_string.h"

#include "json.h"
#include "utf8.h"

/* What stands behind the backslash; 0: as it is, 'u': \u00XX. */
static const char ESCAPE[256] = {
	['"'] = '"', ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't',
	[0] = 'u', [1] = 'u', [2] = 'u', [3] = 'u', [4] = 'u', [5] = 'u', [6] = 'u', [7] = 'u', [11] = 'u', [14] = 'u',
	[15] = 'u', [16] = 'u', [17] = 'u', [18] = 'u', [19] = 'u', [20] = 'u', [21] = 'u', [22] = 'u', [23] = 'u',
	[24] = 'u', [25] = 'u', [26] = 'u', [27] = 'u', [28] = 'u', [29] = 'u', [30] = 'u', [31] = 'u',
};

static uint32_t escape(char *to, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	to[0] = '\\';
	to[1] = ESCAPE[c];
	if (to[1] != 'u')
		return 2;
	memcpy(to + 2, "00", 2);
	to[4] = hex[c >> 4];
	to[5] = hex[c & 15];
	return 6;
}

int fl_json_string(struct fl_buf *out, struct fl_str s)
{
	if (fl_utf8_check(s.p, s.len) != s.len)
		return -1;
	char *to = fl_buf_room(out, (size_t)s.len * 6 + 2), *start = to;
	*to++ = '"';
	const char *p = s.p, *end = s.p + s.len;
	while (p < end) {
		const char *plain = p;
		while (p < end && !ESCAPE[(unsigned char)*p])
			p++;
		memcpy(to, plain, (size_t)(p - plain));
		to += p - plain;
		if (p < end)
			to += escape(to, (unsigned char)*p++);
	}
	*to++ = '"';
	out->len += (size_t)(to - start);
	return 0;
}

/* Four hexadecimal digits; -1: they are none. */
static int32_t hex4(const char *p, const char *end)
{
	if (end - p < 4)
		return -1;
	int32_t v = 0;
	for (int k = 0; k < 4; k++) {
		char c = p[k];
		int d = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
		if (d < 0)
			return -1;
		v = v << 4 | d;
	}
	return v;
}

/* The code point of \uXXXX at p (behind the u), with its second half where it is a pair; *p moves on. -1: none. */
static int32_t code_point(const char **p, const char *end)
{
	int32_t code = hex4(*p, end);
	if (code < 0)
		return -1;
	*p += 4;
	if (code < 0xD800 || code > 0xDFFF)
		return code;
	if (code > 0xDBFF || end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u')
		return -1; /* half of a pair has no UTF-8 */
	int32_t low = hex4(*p + 2, end);
	if (low < 0xDC00 || low > 0xDFFF)
		return -1;
	*p += 6;
	return 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
}

int fl_json_unescape(char *to, const char *p, uint32_t len, uint32_t *n)
{
	static const char MEANS[256] = {['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f',
		['n'] = '\n', ['r'] = '\r', ['t'] = '\t'};
	const char *s = p, *end = p + len;
	char *start = to;
	while (s < end) {
		const char *back = memchr(s, '\\', (size_t)(end - s));
		const char *stop = back ? back : end;
		memmove(to, s, (size_t)(stop - s)); /* to may be the place it comes from */
		to += stop - s;
		if (!back)
			break;
		s = back + 1;
		unsigned char c = s < end ? (unsigned char)*s++ : 0;
		int32_t code = c == 'u' ? code_point(&s, end) : MEANS[c] ? MEANS[c] : -1;
		if (code < 0) {
			*n = (uint32_t)(back - p);
			return -1;
		}
		to += fl_utf8_write(to, (uint32_t)code);
	}
	*n = (uint32_t)(to - start);
	return 0;
}
