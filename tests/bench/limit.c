/* limit: the yardstick. The yacht job (lateness, speed, time taken) by hand, for this one job and nothing else: what
 * a careful C program without any host around it needs. JSON lines on stdin, enriched ones on stdout; the rules are
 * those of plugins/lateness.c and speed.c, and with --now record the bytes are those of `fairlead pipe … --now
 * record`. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "event/number.h"

#define RADIUS 6371008.8
#define DEGREE 0.017453292519943295
#define SPAN 5.0
#define LEAST 1.0
#define IN_ROOM (1 << 20)
#define OUT_ROOM (1 << 20)
#define RING 16u /* most boats need no more points for SPAN seconds */

static const char HELP[] =
	"limit [--now record]\n"
	"\n"
	"The yacht job by hand: reads JSON lines {\"id\":…,\"x\":…,\"y\":…,\"timestamp\":…} on stdin and writes those that are\n"
	"not late and have a speed to stdout, with inst_speed and time_taken. Counts go to stderr.\n"
	"  --now record   the clock is the record's own time, so that time_taken is 0\n";

struct point {
	double t, x, y, cosy;
};

struct boat {
	double highest;
	uint32_t first, n, room; /* of the ring, whose room is a power of two */
	uint32_t key_len;
	char *key;
	struct point *ring; /* own, until it must be larger */
	struct point own[RING];
};

struct slot {
	uint64_t hash;
	struct boat *boat;
};

struct record {
	const char *id, *end; /* end: the closing brace */
	uint32_t id_len;
	double x, y, t;
};

static struct slot *slots;
static uint32_t mask, boats;
static struct { uint64_t in, late, without, bad; } count;

static void *checked(void *p)
{
	if (p)
		return p;
	fputs("limit: no memory is left\n", stderr);
	exit(1);
}

/* ---- scanning ---- */

static inline const char *spaces(const char *p)
{
	while (*p == ' ' || *p == '\t' || *p == '\r')
		p++;
	return p;
}

/* Digits, with the exact way for up to 2^53 and 22 decimals, else by the library. NULL: no number. */
static inline const char *number(const char *p, double *v)
{
	static const double power[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13,
		1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
	const char *begin = p, *point = NULL;
	uint64_t m = 0;
	p += *p == '-';
	for (;; p++) {
		unsigned d = (unsigned char)*p - '0';
		if (d < 10)
			m = m * 10 + d;
		else if (*p == '.' && !point)
			point = p;
		else
			break;
	}
	uint32_t digits = (uint32_t)(p - begin), decimals = point ? (uint32_t)(p - point - 1) : 0;
	if (digits <= 18 && m <= (uint64_t)1 << 53 && *p != 'e' && *p != 'E') {
		*v = (double)m / power[decimals];
		if (*begin == '-')
			*v = -*v;
		return (unsigned char)(p[-1] - '0') < 10 ? p : NULL; /* not after a sign or a point alone */
	}
	while (*p == 'e' || *p == 'E' || *p == '+' || *p == '-' || (unsigned char)(*p - '0') < 10)
		p++;
	int64_t whole;
	int is_unsigned;
	return fl_number_read(begin, (uint32_t)(p - begin), v, &whole, &is_unsigned) > 0 ? p : NULL;
}

/* Behind the closing quote; NULL: a line's end came first. */
static inline const char *string(const char *p)
{
	for (p++; *p != '"'; p++) {
		if (*p == '\n')
			return NULL;
		p += *p == '\\' && p[1] != '\n';
	}
	return p + 1;
}

/* A value that the job has no use for. */
static const char *pass_over(const char *p)
{
	for (int depth = 0;; p++) {
		if (*p == '"' && !(p = string(p)))
			return NULL;
		if (*p == '\n' || ((*p == ',' || *p == '}') && !depth))
			return *p == '\n' ? NULL : p;
		depth += (*p == '{' || *p == '[') - (*p == '}' || *p == ']');
	}
}

static inline const char *member(const char *key, size_t len, const char *p, struct record *r, unsigned *have)
{
	if (len == 2 && key[0] == 'i' && key[1] == 'd') {
		const char *begin = p;
		int quoted = *p == '"';
		*have |= 1;
		p = quoted ? string(p) : pass_over(p);
		if (p) {
			r->id = begin + quoted;
			r->id_len = (uint32_t)(p - begin) - 2u * (unsigned)quoted;
		}
		return p;
	}
	if (len == 1 && *key == 'x') {
		*have |= 2;
		return number(p, &r->x);
	}
	if (len == 1 && *key == 'y') {
		*have |= 4;
		return number(p, &r->y);
	}
	if (len == 9 && !memcmp(key, "timestamp", 9)) {
		*have |= 8;
		return number(p, &r->t);
	}
	return pass_over(p);
}

/* One line, which ends with \n. 0: it is not a reading. */
static inline int scan(const char *p, struct record *r)
{
	unsigned have = 0;
	p = spaces(p);
	if (*p++ != '{')
		return 0;
	for (;; p++) {
		p = spaces(p);
		const char *key = p + 1;
		if (*p != '"' || !(p = string(p)))
			return 0;
		size_t len = (size_t)(p - 1 - key);
		p = spaces(p);
		if (*p++ != ':' || !(p = member(key, len, spaces(p), r, &have)))
			return 0;
		p = spaces(p);
		if (*p != ',')
			break;
	}
	r->end = p;
	return *p == '}' && *spaces(p + 1) == '\n' && have == 15;
}

/* ---- boats ---- */

static inline uint64_t hash_of(const char *p, uint32_t len)
{
	uint64_t h = len;
	for (; len >= 8; p += 8, len -= 8) {
		uint64_t w;
		memcpy(&w, p, 8);
		h = (h ^ w) * 0x9e3779b97f4a7c15u;
		h ^= h >> 32;
	}
	uint64_t w = 0;
	for (uint32_t i = 0; i < len; i++)
		w = w << 8 | (unsigned char)p[i];
	h = (h ^ w) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 32;
}

static void grow_table(void)
{
	uint32_t n = slots ? mask + 1 : 0, room = n ? n * 2 : 1024;
	struct slot *old = slots;
	slots = checked(calloc(room, sizeof *slots));
	mask = room - 1;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = (uint32_t)old[i].hash & mask;
		if (!old[i].boat)
			continue;
		while (slots[at].boat)
			at = (at + 1) & mask;
		slots[at] = old[i];
	}
	free(old);
}

static struct boat *new_boat(const struct record *r)
{
	struct boat *b = checked(malloc(sizeof *b));
	b->key = checked(malloc(r->id_len + 1));
	memcpy(b->key, r->id, r->id_len);
	b->key_len = r->id_len;
	b->highest = -INFINITY;
	b->first = b->n = 0;
	b->room = RING;
	b->ring = b->own;
	boats++;
	return b;
}

static inline struct boat *find(const struct record *r)
{
	uint64_t h = hash_of(r->id, r->id_len);
	if (boats * 2 >= mask)
		grow_table();
	uint32_t at = (uint32_t)h & mask;
	for (; slots[at].boat; at = (at + 1) & mask)
		if (slots[at].hash == h && slots[at].boat->key_len == r->id_len && !memcmp(slots[at].boat->key, r->id, r->id_len))
			return slots[at].boat;
	slots[at] = (struct slot){h, new_boat(r)};
	return slots[at].boat;
}

static void grow_ring(struct boat *b)
{
	struct point *to = checked(malloc(b->room * 2 * sizeof *to));
	for (uint32_t i = 0; i < b->n; i++)
		to[i] = b->ring[(b->first + i) & (b->room - 1)];
	if (b->ring != b->own)
		free(b->ring);
	b->ring = to;
	b->first = 0;
	b->room *= 2;
}

/* Times of one boat only rise here, so that the oldest point in the ring is the reference. 0: no speed yet. */
static inline int speed_of(struct boat *b, const struct record *r, double *speed)
{
	struct point p = {r->t, r->x, r->y, cos(r->y * DEGREE)};
	while (b->n && r->t - b->ring[b->first].t > SPAN) {
		b->first = (b->first + 1) & (b->room - 1);
		b->n--;
	}
	if (b->n == b->room)
		grow_ring(b);
	b->ring[(b->first + b->n++) & (b->room - 1)] = p;
	const struct point *a = &b->ring[b->first];
	double dt = p.t - a->t;
	if (dt < LEAST)
		return 0;
	double s = sin((p.y - a->y) * DEGREE / 2);
	double u = sin((p.x - a->x) * DEGREE / 2);
	double h = s * s + a->cosy * p.cosy * (u * u);
	*speed = 2 * RADIUS * asin(sqrt(h < 1 ? h : 1)) / dt;
	return 1;
}

/* ---- the job ---- */

static char *out, *to;

static void flush_out(void)
{
	for (char *p = out; p < to;) {
		ssize_t n = write(1, p, (size_t)(to - p));
		if (n < 0 && errno != EINTR) {
			fprintf(stderr, "limit: can't write: %s\n", strerror(errno));
			exit(1);
		}
		p += n > 0 ? n : 0;
	}
	to = out;
}

#define LIT(s) (memcpy(to, s, sizeof(s) - 1), to += sizeof(s) - 1)

static inline void enrich(const char *line, const struct record *r, double speed, double taken)
{
	size_t n = (size_t)(r->end - line);
	if (n > OUT_ROOM - 128)
		return; /* no reading is that long */
	if ((size_t)(to - out) + n > OUT_ROOM - 128)
		flush_out();
	memcpy(to, line, n);
	to += n;
	LIT(",\"inst_speed\":");
	to += fl_number_write(to, speed);
	LIT(",\"time_taken\":");
	to += fl_number_write(to, taken);
	LIT("}\n");
}

static void work(const char *p, const char *end, int record_now)
{
	double now = fl_now(), speed;
	while (p < end) {
		struct record r;
		const char *line = p;
		count.in++;
		if (!scan(p, &r)) {
			count.bad++;
			p = (const char *)memchr(p, '\n', (size_t)(end - p)) + 1;
			continue;
		}
		p = spaces(r.end + 1) + 1;
		struct boat *b = find(&r);
		if (r.t <= b->highest) {
			count.late++;
			continue;
		}
		b->highest = r.t;
		if (speed_of(b, &r, &speed))
			enrich(line, &r, speed, record_now ? 0 : now - r.t);
		else
			count.without++;
	}
}

static void read_all(int record_now)
{
	char *in = checked(malloc(IN_ROOM + 1));
	size_t have = 0;
	for (;;) {
		ssize_t n = read(0, in + have, IN_ROOM - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			fprintf(stderr, "limit: can't read: %s\n", strerror(errno));
			exit(1);
		}
		have += (size_t)n;
		if (!n && have)
			in[have++] = '\n'; /* the last line may lack its own */
		const char *last = memrchr(in, '\n', have);
		size_t whole = last ? (size_t)(last - in) + 1 : 0;
		work(in, in + whole, record_now);
		memmove(in, in + whole, have -= whole);
		if (!n)
			break;
		if (have == IN_ROOM) {
			fprintf(stderr, "limit: a line is longer than %d bytes\n", IN_ROOM);
			exit(1);
		}
	}
	free(in);
}

int main(int argc, char **argv)
{
	int record_now = argc == 3 && !strcmp(argv[1], "--now") && !strcmp(argv[2], "record");
	int help = argc == 2 && !strcmp(argv[1], "--help");
	if (help || (argc > 1 && !record_now)) {
		fputs(HELP, help ? stdout : stderr);
		return help ? 0 : 2;
	}
	grow_table();
	out = to = checked(malloc(OUT_ROOM));
	read_all(record_now);
	flush_out();
	fprintf(stderr, "in %llu, late %llu, without a reference %llu, not readings %llu, boats %u\n",
			(unsigned long long)count.in, (unsigned long long)count.late, (unsigned long long)count.without, (unsigned long long)count.bad, boats);
	return 0;
}
