/* stdout: a sink that prints each record on a line of standard output.
 *
 *     sink "show" { from = enriched, plugin "stdout" { format = "meta" } }
 *
 * format = "value" prints the record; "meta" what `fairlead tail --meta` prints, without headers:
 * {"stream","partition","offset","time","key","value"}. Line breaks inside a JSON record are white space and become
 * spaces; a text has them escaped in "meta", and as they are in "value".
 *
 * At least once: a record may be printed again after a crash. A reader that does not read (a paused terminal) is waited
 * for with FL_RETRY. Lines stay whole, whatever sinks of the process print: what could not be written of a line is kept
 * in `rest`, and nobody writes before that. Calls come from the sinks' threads, hence the lock.
 */
#include "fairlead.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FULL (64u << 10)  /* bytes that are gathered before they are written */
#define PATIENCE 1000     /* ms that flush() waits for the reader */

enum { VALUE, META };

struct conf {
	uint32_t format;
};

struct text {
	char *p;
	size_t len, room;
};

struct self {
	struct fl_ctx *ctx;
	const struct fl_host *host;
	const struct conf *conf;
	struct text out; /* whole lines that are not written yet */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct text rest; /* of a line that stands half printed already; under the lock */

/* ---- writing ---- */

static int add(struct text *t, const char *p, size_t n)
{
	if (t->room - t->len < n) {
		size_t room = (t->len + n) * 2;
		char *more = realloc(t->p, room);
		if (!more)
			return -1;
		t->p = more;
		t->room = room;
	}
	if (n)
		memcpy(t->p + t->len, p, n);
	t->len += n;
	return 0;
}

static void take(struct text *t, size_t n)
{
	if (n)
		memmove(t->p, t->p + n, t->len - n);
	t->len -= n;
}

/* Writes, without waiting for longer than ms. 0: all; 1: the reader is slow; -1 with errno. *done: bytes that are out.
 * A pipe that poll() calls writable takes 4 KiB at once without blocking; a file takes anything. */
static int put(const struct text *t, int ms, size_t *done)
{
	struct stat st;
	size_t most = fstat(STDOUT_FILENO, &st) == 0 && S_ISREG(st.st_mode) ? SIZE_MAX : 4096;
	for (*done = 0; *done < t->len; ) {
		struct pollfd pf = {.fd = STDOUT_FILENO, .events = POLLOUT};
		if (poll(&pf, 1, ms) == 0)
			return 1;
		ssize_t n = write(STDOUT_FILENO, t->p + *done, t->len - *done < most ? t->len - *done : most);
		if (n >= 0)
			*done += (size_t)n;
		else if (errno == EAGAIN)
			return 1;
		else if (errno != EINTR)
			return -1;
	}
	return 0;
}

/* The rest of a line first, then the instance's own. As put(). */
static int drain(struct self *self, int ms)
{
	size_t done;
	pthread_mutex_lock(&lock);
	int rc = put(&rest, ms, &done);
	take(&rest, done);
	if (rc == 0) {
		rc = put(&self->out, ms, &done);
		if (done && self->out.p[done - 1] != '\n') {
			const char *from = self->out.p + done;
			size_t n = (size_t)((char *)memchr(from, '\n', self->out.len - done) - from) + 1;
			if (add(&rest, from, n) == 0)
				done += n;
		}
		int saved = errno;
		take(&self->out, done);
		errno = saved;
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

/* ---- lines ---- */

static int add_escaped(struct text *t, unsigned char c)
{
	char code[8];
	int n = c == '"' || c == '\\' ? sprintf(code, "\\%c", c) : c == '\n' ? sprintf(code, "\\n") : sprintf(code, "\\u%04x", c);
	return add(t, code, (size_t)n);
}

static int add_string(struct text *t, struct fl_str s)
{
	int rc = add(t, "\"", 1);
	uint32_t from = 0;
	for (uint32_t k = 0; k < s.len && rc == 0; k++) {
		unsigned char c = (unsigned char)s.p[k];
		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		rc = add(t, s.p + from, k - from) | add_escaped(t, c);
		from = k + 1;
	}
	return rc | add(t, s.p + from, s.len - from) | add(t, "\"", 1);
}

static int add_flat(struct text *t, struct fl_str s)
{
	size_t from = t->len;
	if (add(t, s.p, s.len) < 0)
		return -1;
	for (char *p = t->p + from; s.len && (p = memchr(p, '\n', (size_t)(t->p + t->len - p))); )
		*p = ' ';
	return 0;
}

/* 1: the codec knows no fields, and the one that it gives is the whole record; 2: a field of an object. */
static int see(void *arg, const struct fl_cell *cell)
{
	const struct fl_str *record = arg;
	return cell->str.p == record->p && cell->str.len == record->len ? 1 : 2;
}

static int add_value(struct self *self, struct fl_batch *b, uint32_t i)
{
	struct text *t = &self->out;
	struct fl_str record = self->host->record(self->ctx, b, i);
	int meta = self->conf->format == META;
	if (!record.p)
		return meta ? add(t, "null", 4) : 0; /* a tombstone */
	if (!meta && !memchr(record.p, '\n', record.len))
		return add(t, record.p, record.len);
	int what = self->host->each_field(self->ctx, b, i, see, &record);
	if (what == 0 || what == 2)
		return add_flat(t, record);
	return meta ? add_string(t, record) : add(t, record.p, record.len);
}

/* Times as short as they read back the same. */
static int add_meta(struct text *t, struct fl_batch *b, uint32_t i)
{
	char text[128], time[40];
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(time, sizeof time, "%.*g", digits, b->time[i]);
		if (strtod(time, NULL) == b->time[i])
			break;
	}
	int n = snprintf(text, sizeof text, ",\"partition\":%u,\"offset\":%lld,\"time\":%s,\"key\":", b->partition, (long long)b->offset[i], time);
	struct fl_str stream = {b->stream, (uint32_t)strlen(b->stream)};
	int rc = add(t, "{\"stream\":", 10) | add_string(t, stream) | add(t, text, (size_t)n);
	rc |= b->key[i].p ? add_string(t, b->key[i]) : add(t, "null", 4);
	return rc | add(t, ",\"value\":", 9);
}

static int add_line(struct self *self, struct fl_batch *b, uint32_t i)
{
	struct text *t = &self->out;
	int meta = self->conf->format == META;
	if (meta && add_meta(t, b, i) != 0)
		return -1;
	if (add_value(self, b, i) != 0)
		return -1;
	return meta ? add(t, "}\n", 2) : add(t, "\n", 1);
}

/* ---- the plugin ---- */

static int stdout_open(struct fl_ctx *ctx, const struct fl_host *host, const void *conf, void **out, char *err)
{
	struct self *self = calloc(1, sizeof *self);
	if (!self) {
		snprintf(err, FL_ERRLEN, "no memory is left");
		return -1;
	}
	*self = (struct self){.ctx = ctx, .host = host, .conf = conf};
	*out = self;
	return 0;
}

static void stdout_close(void *arg)
{
	struct self *self = arg;
	free(self->out.p);
	free(self);
}

static int failed(char *err, int code)
{
	snprintf(err, FL_ERRLEN, "can't write to stdout: %s", strerror(code));
	return -1;
}

static int stdout_write(void *arg, struct fl_batch *b, char *err)
{
	struct self *self = arg;
	for (uint32_t i = 0; i < b->n; i++) {
		if (b->outcome[i] != FL_PASS)
			continue;
		if (self->out.len >= FULL && drain(self, 0) < 0)
			return failed(err, errno);
		size_t was = self->out.len;
		if (was >= FULL)
			b->outcome[i] = FL_RETRY;
		else if (add_line(self, b, i) != 0) {
			self->out.len = was;
			return failed(err, ENOMEM);
		}
	}
	return drain(self, 0) < 0 ? failed(err, errno) : 0;
}

/* All lines have to be out. Where the reader is too slow, the host writes again what is taken back here. */
static int stdout_flush(void *arg, const struct fl_position *pos, uint32_t n, char *err)
{
	struct self *self = arg;
	(void)pos, (void)n;
	int rc = drain(self, PATIENCE);
	if (rc == 0)
		return 0;
	if (rc < 0)
		failed(err, errno);
	else
		snprintf(err, FL_ERRLEN, "nobody has read stdout for %d ms", PATIENCE);
	self->out.len = 0;
	return -1;
}

static const struct fl_option OPTIONS[] = {
	{"format", FL_OPT_CHOICE, "value", "the record alone, or in JSON with where it comes from", offsetof(struct conf, format), "value|meta"},
	{0},
};

const struct fl_plugin fl_plugin = {
	.abi = FL_ABI,
	.size = sizeof(struct fl_plugin),
	.kind = FL_SINK,
	.name = "stdout",
	.version = "1.0",
	.help = "prints each record on a line of standard output",
	.options = OPTIONS,
	.conf_size = sizeof(struct conf),
	.open = stdout_open,
	.close = stdout_close,
	.write = stdout_write,
	.flush = stdout_flush,
};
